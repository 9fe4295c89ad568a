"""The second tab: look through an output folder."""

from typing import Any

import gradio as gr

from acseg.app.desk import Desk
from acseg.app.parts import NONE, asset, listen


def folder_tab(desk: Desk, block: gr.Blocks) -> None:
    """Lay out the tab, and join its filters to what the desk answers."""
    if not desk.folders:
        gr.HTML(
            "<p>To look through what <code>predict</code> or <code>segment</code> wrote: "
            "<code>acseg serve RUN --out OUT</code></p>",
            js_on_load=None,
        )
        return
    page = gr.State(1)
    with gr.Row():
        folder = gr.Dropdown(
            [(out.name, i) for i, out in enumerate(desk.folders)],
            value=0,
            label="Folder",
            interactive=len(desk.folders) > 1,
            elem_id="acseg-folder",
        )
        label = gr.Dropdown(label="Class", elem_id="acseg-class", **_classes(desk, 0))
        below = gr.Dropdown(label="Sub-folder", elem_id="acseg-below", **_subfolders(desk, 0))
        text = gr.Textbox("", label="Name contains", max_length=80, elem_id="acseg-search")
    viewer = gr.HTML("", js_on_load=asset("view.js").replace('"picked"', '"looked"'))
    status = gr.HTML("", js_on_load=None, elem_id="acseg-status")
    gallery = gr.HTML("", js_on_load=asset("gallery.js"), elem_id="acseg-gallery")
    with gr.Row():
        back = gr.Button("Previous page", elem_id="acseg-back")
        on = gr.Button("Next page", elem_id="acseg-on")

    def filtered(i: int, one: int, where: str, words: str, at: int = 1) -> tuple[Any, ...]:
        label = None if one == NONE else one
        cards, said, at, pages = desk.browse(i, label, words or "", where, at)
        return cards, said, at, gr.Button(visible=at > 1), gr.Button(visible=at < pages)

    def before(i: int, one: int, where: str, words: str, at: int) -> tuple[Any, ...]:
        return filtered(i, one, where, words, at - 1)

    def after(i: int, one: int, where: str, words: str, at: int) -> tuple[Any, ...]:
        return filtered(i, one, where, words, at + 1)

    def turned(i: int) -> tuple[Any, ...]:
        new = gr.Dropdown(**_classes(desk, i)), gr.Dropdown(**_subfolders(desk, i))
        return *new, "", "", *filtered(i, NONE, "", "")

    def looked(i: int, event: gr.EventData) -> str:
        return desk.look(i, int(event._data.get("picture", 0)))

    filters, shown = [folder, label, below, text], [gallery, status, page, back, on]
    gr.on(
        [label.select, below.select, text.submit, text.blur],
        filtered,
        inputs=filters,
        outputs=shown,
        api_visibility="private",
        show_progress="minimal",
    )
    listen(folder.select, turned, inputs=[folder], outputs=[label, below, text, viewer, *shown])
    paged = {"inputs": [*filters, page], "outputs": shown}
    listen(back.click, before, **paged)
    listen(on.click, after, **paged)
    listen(gallery.chosen, looked, inputs=[folder], outputs=[viewer]).then(
        None, js="() => { document.querySelector('#acseg-class')?.scrollIntoView() }"
    )
    listen(block.load, filtered, inputs=filters, outputs=shown)


def _classes(desk: Desk, folder: int) -> dict[str, Any]:
    """Classes of a folder to choose from; none after `segment`, whose ids are of one picture."""
    out = desk.folders[folder]
    called = [(f"{out.names[i]} ({i})" if i in out.names else f"class {i}", i) for i in out.classes]
    return {"choices": [("all", NONE), *called], "value": NONE, "visible": bool(out.classes)}


def _subfolders(desk: Desk, folder: int) -> dict[str, Any]:
    found = desk.folders[folder].subfolders
    return {"choices": [("all", ""), *((f, f) for f in found)], "value": "", "visible": bool(found)}
