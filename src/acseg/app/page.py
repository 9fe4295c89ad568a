"""The page itself: a title, two tabs, and how they look."""

from typing import Any

import gradio as gr

from acseg.app.desk import Desk
from acseg.app.folder_tab import folder_tab
from acseg.app.picture_tab import picture_tab

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


def build(desk: Desk) -> gr.Blocks:
    """Lay out the page."""
    with gr.Blocks(title="acseg", analytics_enabled=False) as page:
        gr.HTML("<h1>acseg</h1>", apply_default_css=True, js_on_load=None)
        with gr.Tab("A picture"):
            picture_tab(desk)
        with gr.Tab("A folder"):
            folder_tab(desk, page)
    return page
