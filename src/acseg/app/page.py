"""The page itself: Gradio's controls, joined to what the desk answers."""

import os
from importlib import resources
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr

from acseg.app.desk import Answer, Desk
from acseg.app.explore import Controls
from acseg.app.view import EMPTY, message_html
from acseg.demo import sample_photographs
from acseg.errors import DataError

NONE = -1  # "all classes", "no sample"
FOCUS_NAME = "() => document.querySelector('#acseg-name :is(input, textarea)')?.focus()"
FONTS = ("system-ui", "sans-serif")


def theme() -> Any:
    """Gradio's plain theme with the fonts of the machine: none is fetched."""
    plain = gr.themes.Default(
        primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=("ui-monospace", "monospace")
    )
    return plain.set(  # texts that stand out enough from what is behind them, 4.5 : 1
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
    )


def asset(name: str) -> str:
    """Read a script or style sheet of the page."""
    return (resources.files("acseg.app") / name).read_text(encoding="utf-8")


def build(desk: Desk) -> gr.Blocks:
    """Lay out the page."""
    with gr.Blocks(title="acseg", analytics_enabled=False) as page:
        gr.HTML("<h1>acseg</h1>", apply_default_css=True, js_on_load=None)
        with gr.Tab("A picture"):
            _picture_tab(desk)
        with gr.Tab("A folder"):
            _folder_tab(desk)
    return page


def _listen(event: Any, function: Any, **settings: Any) -> Any:
    """Join an event to a function, without making it part of a public interface."""
    return event(function, api_visibility="private", show_progress="minimal", **settings)


def _picture_tab(desk: Desk) -> None:
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
    _listen(zone.dropped, dropped, inputs=[*state, *sliders], outputs=[word, *shown, sample])
    _listen(zone.refused, refused, outputs=[message])
    _listen(sample.select, sampled, inputs=[sample, *state, *sliders], outputs=[word, *shown])
    _listen(
        generator.select,
        changed,
        inputs=[*state, generator, confidence, strength],
        outputs=[kind, side, merge, write, *shown],
    )
    for control in (kind, side, merge, confidence, strength):
        _listen(
            control.input,
            moved,
            inputs=[*state, *sliders],
            outputs=shown,
            trigger_mode="always_last",
        )
    _listen(
        view.picked,
        picked,
        inputs=[*state, *sliders],
        outputs=[region, label, name],
    ).then(
        None,
        js=FOCUS_NAME,
    )
    _listen(label.select, chosen, inputs=[*state, label, *sliders], outputs=[region, name])
    naming = {"inputs": [*state, region, name, *sliders], "outputs": [given, *shown]}
    _listen(give.click, named, **naming)
    _listen(name.submit, named, **naming)
    _listen(write.click, written, inputs=[given, *sliders], outputs=[message, given])


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


def _folder_tab(desk: Desk) -> None:
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
    _listen(folder.select, turned, inputs=[folder], outputs=[label, below, text, viewer, *shown])
    paged = {"inputs": [*filters, page], "outputs": shown}
    _listen(back.click, before, **paged)
    _listen(on.click, after, **paged)
    _listen(gallery.chosen, looked, inputs=[folder], outputs=[viewer]).then(
        None, js="() => { document.querySelector('#acseg-class')?.scrollIntoView() }"
    )
    block = gr.context.Context.root_block
    _listen(block.load, filtered, inputs=filters, outputs=shown)


def _classes(desk: Desk, folder: int) -> dict[str, Any]:
    """Classes of a folder to choose from; none after `segment`, whose ids are of one picture."""
    out = desk.folders[folder]
    called = [(f"{out.names[i]} ({i})" if i in out.names else f"class {i}", i) for i in out.classes]
    return {"choices": [("all", NONE), *called], "value": NONE, "visible": bool(out.classes)}


def _subfolders(desk: Desk, folder: int) -> dict[str, Any]:
    found = desk.folders[folder].subfolders
    return {"choices": [("all", ""), *((f, f) for f in found)], "value": "", "visible": bool(found)}


def _samples() -> list[Any]:
    try:
        return sample_photographs()
    except DataError:
        return []
