// The gallery: a card that is clicked is chosen. Gradio gives `element` and `trigger`.

element.addEventListener("click", (event) => {
  const card = event.target.closest(".acseg-card");
  if (card) trigger("chosen", { picture: Number(card.dataset.picture) });
});
