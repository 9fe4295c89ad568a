import pytest
import torch
from torch.nn import functional

from acseg.errors import BackboneError
from acseg.text.models import (
    NORMALISATION,
    TextTokens,
    describe_inside,
    load_text_image_model,
    name_probabilities,
)

SPECIAL = [
    "<pad>",
    "<start>",
    "<unk>",
    "<end>",
]  # the end is not 2, which CLIP takes for an old bug
WORDS = [
    *SPECIAL,
    "a",
    "photo",
    "of",
    "the",
    "sky",
    "road",
    "car",
    ".",
    "there",
    "is",
    "in",
    "scene",
]
PROMPTS = ("a photo of the {}.", "there is {} in the scene")


def save_tokenizer(folder):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<end>", unk_token="<unk>"
    ).save_pretrained(folder)


def save_model(folder, family):
    from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    text = size | {
        "num_hidden_layers": 2,
        "vocab_size": len(WORDS),
        "max_position_embeddings": 12,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 3,
    }
    vision = size | {"num_hidden_layers": 2, "image_size": 16, "patch_size": 4}
    if family == "clip":
        config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
        model = CLIPModel(config)
    else:
        model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    for weight in model.parameters():  # large enough that every path shows
        weight.data += 0.2 * torch.randn_like(weight)
    model.save_pretrained(folder)


@pytest.fixture(scope="module", params=["clip", "siglip"])
def model(request, tmp_path_factory):
    """A tiny model of each family, written in the Hugging Face format and loaded again."""
    folder = tmp_path_factory.mktemp(request.param)
    save_tokenizer(folder)
    save_model(folder, request.param)
    return load_text_image_model(str(folder), device="cpu")


def test_names_are_the_mean_of_their_prompts(model):
    found = model.embed_names(["sky", "car"], prompts=PROMPTS)
    for name, row in zip(["sky", "car"], found):
        each = []
        for prompt in PROMPTS:
            words = prompt.replace("{}", name).replace(".", " .").split()
            ids = [1, *(WORDS.index(word) for word in words), 3]
            ids = torch.tensor([ids + [0] * (12 - len(ids))])
            out = model.model.get_text_features(input_ids=ids)
            each.append(functional.normalize(getattr(out, "pooler_output", out)[0], dim=0))
        plain = functional.normalize(torch.stack(each).mean(0), dim=0)
        torch.testing.assert_close(row, plain, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(found[0], found[1], atol=1e-3)


def test_long_names_are_cut(model):
    assert model.embed_names(["car " * 30]).shape == (1, 8 if model.family == "clip" else 16)


def test_pixels_are_the_value_path_of_the_last_block(model):
    images = torch.rand(2, 3, 16, 16)
    found = model.tokens(images)
    inner = model.model.vision_model
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in NORMALISATION[model.family])
    # What enters the last block is what leaves the one before it.
    states = inner((images - mean) / std, output_hidden_states=True).hidden_states
    tokens = states[-2][:, 1:] if model.family == "clip" else states[-2]
    block = inner.encoder.layers[-1]
    attention = block.self_attn
    value = block.layer_norm1(tokens) @ attention.v_proj.weight.T + attention.v_proj.bias
    value = value @ attention.out_proj.weight.T + attention.out_proj.bias
    value = inner.post_layernorm(value)
    if model.family == "clip":
        plain = value @ model.model.visual_projection.weight.T
    else:
        plain = torch.stack([inner.head(value[:, i : i + 1]) for i in range(16)], dim=1)
    assert found.grid == (4, 4)
    torch.testing.assert_close(found.tokens, plain, atol=1e-4, rtol=1e-3)


def test_any_size_and_leaves_no_hook(model):
    found = model.tokens(torch.rand(1, 3, 24, 32))
    assert found.grid == (6, 8)
    assert found.tokens.shape[:2] == (1, 48)
    assert found.tokens.dtype == torch.float32
    assert not model.model.vision_model.encoder.layers[-1].layer_norm1._forward_hooks


def test_another_grid_is_scaled():
    seen = TextTokens(torch.tensor([[[1.0, 0], [0, 1]]] * 2), (1, 2))  # left and right
    inside = torch.zeros(2, 4, 8, dtype=torch.bool)
    inside[0, :, :4] = inside[1, :, 4:] = True
    found = describe_inside(seen, inside)
    torch.testing.assert_close(found, torch.eye(2))


def test_a_mask_weighs_each_pixel_by_its_share_inside():
    seen = TextTokens(torch.randn(2, 4, 3, dtype=torch.float32), (2, 2))
    inside = torch.zeros(2, 4, 8, dtype=torch.bool)
    inside[0, :2, :4] = True  # the first patch
    inside[0, 2:, 2:4] = True  # half of the third
    found = describe_inside(seen, inside)
    plain = seen.tokens[0, 0] + 0.5 * seen.tokens[0, 2]
    torch.testing.assert_close(found[0], functional.normalize(plain, dim=0))
    assert not found[1].any()  # nothing is inside


def test_probabilities_are_the_softmax_of_the_cosines(model):
    rows, names = torch.randn(3, 4) * 9, torch.randn(5, 4)
    found = name_probabilities(rows, names, scale=3.0)
    for row, line in zip(rows, found):
        cosine = [float(functional.cosine_similarity(row, name, dim=0)) for name in names]
        torch.testing.assert_close(line, (3 * torch.tensor(cosine)).softmax(0))
    assert model.side == 16


def test_errors_name_what_is_wrong(model, tmp_path):
    with pytest.raises(ValueError, match="prompts"):
        model.embed_names(["sky"], prompts=["a photo"])
    with pytest.raises(ValueError, match="names"):
        model.embed_names([])
    with pytest.raises(ValueError, match="multiples of 4"):
        model.tokens(torch.rand(1, 3, 16, 18))
    with pytest.raises(ValueError, match="images"):
        model.tokens(torch.rand(3, 16, 16))
    with pytest.raises(ValueError, match="names"):
        name_probabilities(torch.rand(2, 3), torch.rand(2, 4))
    with pytest.raises(ValueError, match="at least one name"):
        name_probabilities(torch.rand(2, 3), torch.rand(0, 3))


def test_folders_without_such_a_model_are_refused(tmp_path, monkeypatch):
    with pytest.raises(BackboneError, match="cannot load the text-image model"):
        load_text_image_model(str(tmp_path / "none"), device="cpu")
    from transformers import ViTConfig

    ViTConfig().save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="but 'vit'"):
        load_text_image_model(str(tmp_path), device="cpu")
    save_model(tmp_path, "clip")  # without a tokenizer
    with pytest.raises(BackboneError, match=f"text-image model in {tmp_path}: .*[Tt]okenizer"):
        load_text_image_model(str(tmp_path), device="cpu")


def test_loading_a_folder_asks_no_network_and_says_nothing(tmp_path, monkeypatch, capfd):
    import socket

    def refuse(*_arguments, **_more):
        raise AssertionError("a folder needs no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    save_tokenizer(tmp_path)
    save_model(tmp_path, "siglip")
    capfd.readouterr()
    load_text_image_model(str(tmp_path), device="cpu")
    assert capfd.readouterr() == ("", "")
