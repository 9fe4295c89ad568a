"""The first tab: drop a picture, move the controls, name what was found."""

from typing import Any

import gradio as gr

from acseg.app.desk import Answer, Desk
from acseg.app.explore import Controls
from acseg.app.parts import NONE, asset, listen
from acseg.app.view import EMPTY, message_html
from acseg.demo import sample_photographs
from acseg.errors import DataError

FOCUS_NAME = "() => document.querySelector('#acseg-name :is(input, textarea)')?.focus()"


def picture_tab(desk: Desk) -> None:
    """Lay out the tab, and join its controls to what the desk answers."""
    explorer = desk.explorer
    start = explorer.start(0)
    classes = start.kind == "classes"
    samples = _samples()
    word, given, region = gr.State(None), gr.State({}), gr.State(None)
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            limits = explorer.limits
            zone = gr.HTML(
                f"""<label class="acseg-drop" data-bytes="{limits.bytes}">
<input type="file" aria-label="Picture to segment">
<strong>Drop a picture here, or click to choose</strong>
<small>or paste one; up to {limits.megabytes:g} MB and {limits.megapixels:g} million pixels.
It stays in the memory of this machine.</small></label>""",
                js_on_load=asset("drop.js"),
                elem_id="acseg-drop",
            )
            sample = gr.Dropdown(
                [("none", NONE), *((path.name, i) for i, path in enumerate(samples))],
                value=NONE,
                label="Or a sample photograph",
                visible=bool(samples),
                elem_id="acseg-sample",
            )
            generator = gr.Dropdown(
                [(choice.title, i) for i, choice in enumerate(explorer.choices)],
                value=0,
                label="Generator",
                info="the RUN, and how many concepts it draws at most",
                interactive=len(explorer.choices) > 1,
                elem_id="acseg-generator",
            )
            kind = gr.Radio(
                [("concepts of this picture", "concepts"), ("classes of the RUN", "classes")],
                value=start.kind,
                label="Show",
                visible=classes,
                elem_id="acseg-kind",
            )
            strength = gr.Slider(
                0,
                1,
                value=start.strength,
                step=0.05,
                label="Overlay strength",
                info="0 shows the photograph, 1 plain colours",
                elem_id="acseg-strength",
            )
            confidence = gr.Slider(
                0,
                1,
                value=0,
                step=0.01,
                label="Confidence threshold",
                info="regions less sure than this become void; 0 keeps all",
                elem_id="acseg-confidence",
            )
            merge = gr.Slider(
                0,
                1,
                value=start.merge,
                step=0.01,
                label="Merging threshold",
                info="concepts more alike than this become one; 1 merges none",
                elem_id="acseg-merge",
            )
            least, most, step = explorer.sides(0)
            side = gr.Slider(
                least,
                most,
                value=start.side,
                step=step,
                label="Resolution (short side, px)",
                info="more shows smaller things and takes longer",
                elem_id="acseg-side",
            )
        with gr.Column(scale=2, min_width=420):
            message = gr.HTML("", js_on_load=None, elem_id="acseg-message")
            view = gr.HTML(EMPTY, js_on_load=asset("view.js"), elem_id="acseg-view")
            with gr.Group():
                with gr.Row():
                    label = gr.Dropdown(
                        [],
                        label="Region to name",
                        info="click on it in the picture",
                        elem_id="acseg-label",
                    )
                    name = gr.Textbox(
                        "",
                        label="Name",
                        info="empty takes it away",
                        max_lines=1,
                        max_length=80,
                        elem_id="acseg-name",
                    )
                with gr.Row():
                    give = gr.Button("Name it", variant="primary", elem_id="acseg-give")
                    write = gr.Button(
                        "Write the names to the RUN",
                        interactive=classes and desk.may_write,
                        elem_id="acseg-write",
                    )

    sliders = [generator, kind, side, merge, confidence, strength]
    shown = [message, view, label, region]

    def outputs(answer: Answer) -> tuple[Any, ...]:
        return answer.message, answer.view, gr.Dropdown(choices=answer.labels, value=None), None

    def dropped(held: Any, names: Any, event: gr.EventData, *values: Any) -> tuple[Any, ...]:
        desk.shelf.drop(held)
        new = str(event._data.get("word", ""))
        return new, *outputs(desk.show(new, controls(*values), names)), NONE

    def refused(event: gr.EventData) -> str:
        return message_html(str(event._data.get("reason", ""))[:400])

    def sampled(place: int, held: Any, names: Any, *values: Any) -> tuple[Any, ...]:
        if place == NONE:
            return gr.skip(), *(gr.skip() for _ in shown)
        desk.shelf.drop(held)
        path = samples[place]
        new = desk.shelf.put(path.name, path.read_bytes())
        return new, *outputs(desk.show(new, controls(*values), names))

    def moved(held: Any, names: Any, *values: Any) -> tuple[Any, ...]:
        return outputs(desk.show(held, controls(*values), names))

    def changed(held: Any, names: Any, place: int, *values: Any) -> tuple[Any, ...]:
        start = explorer.start(place)
        least, most, step = explorer.sides(place)
        now = controls(place, start.kind, start.side, start.merge, *values)
        has = start.kind == "classes"
        return (
            gr.Radio(value=start.kind, visible=has),
            gr.Slider(minimum=least, maximum=most, step=step, value=start.side),
            gr.Slider(value=start.merge),
            gr.Button(interactive=has and desk.may_write),
            *outputs(desk.show(held, now, names)),
        )

    def picked(held: Any, names: Any, event: gr.EventData, *values: Any) -> tuple[Any, ...]:
        one = int(event._data.get("label", 0))
        return one, one, desk.name_of(controls(*values), names, held, one)

    def chosen(held: Any, names: Any, one: int | None, *values: Any) -> tuple[Any, ...]:
        return one, "" if one is None else desk.name_of(controls(*values), names, held, one)

    def named(held: Any, names: Any, one: Any, text: str, *values: Any) -> tuple[Any, ...]:
        answer, names = desk.name(held, controls(*values), names, one, text)
        now = gr.Dropdown(choices=answer.labels, value=one)
        return names, answer.message, answer.view, now, one

    def written(names: Any, *values: Any) -> tuple[Any, ...]:
        return desk.write(controls(*values), names)

    state = [word, given]
    listen(zone.dropped, dropped, inputs=[*state, *sliders], outputs=[word, *shown, sample])
    listen(zone.refused, refused, outputs=[message])
    listen(sample.select, sampled, inputs=[sample, *state, *sliders], outputs=[word, *shown])
    listen(
        generator.select,
        changed,
        inputs=[*state, generator, confidence, strength],
        outputs=[kind, side, merge, write, *shown],
    )
    for control in (kind, side, merge, confidence, strength):
        listen(
            control.input,
            moved,
            inputs=[*state, *sliders],
            outputs=shown,
            trigger_mode="always_last",
        )
    listen(
        view.picked,
        picked,
        inputs=[*state, *sliders],
        outputs=[region, label, name],
    ).then(
        None,
        js=FOCUS_NAME,
    )
    listen(label.select, chosen, inputs=[*state, label, *sliders], outputs=[region, name])
    naming = {"inputs": [*state, region, name, *sliders], "outputs": [given, *shown]}
    listen(give.click, named, **naming)
    listen(name.submit, named, **naming)
    listen(write.click, written, inputs=[given, *sliders], outputs=[message, given])


def controls(
    generator: Any, kind: Any, side: Any, merge: Any, confidence: Any, strength: Any
) -> Controls:
    """Take what the controls of the page say, which may be anything, for numbers.

    Raises
    ------
    DataError
        If they are none.
    """
    try:
        return Controls(
            generator=int(generator),
            kind=kind,
            side=int(side),
            merge=float(merge),
            confidence=float(confidence),
            strength=float(strength),
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"the controls do not hold numbers: {error}") from error


def _samples() -> list[Any]:
    try:
        return sample_photographs()
    except DataError:
        return []
