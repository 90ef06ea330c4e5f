"""What a model says: logits of the text's rows, greedy tokens, and whether padding on the left changes them."""

from makers.common import integers

import torch

from makers.runtime.bases import VOCABULARY

LENGTHS = (1, 5, 12)
NEW_TOKENS = 12
SAME = 1e-4  # between two ways to the same logits; on the cases here they are about 1e-5 apart
DIFFERENT = 1e-2


def prompts(entry, attempt):
    name = f"{entry['name']} prompt {attempt}"
    return [integers(f"{name} {length}", (length,), VOCABULARY) for length in LENGTHS]


@torch.no_grad()
def forward(model, ids):
    """PEFT's rows of virtual tokens come first: they are not part of the answer."""
    return model(input_ids=ids[None], use_cache=False).logits[0, -len(ids):]


@torch.no_grad()
def generate(model, ids, mask, tokens=NEW_TOKENS):
    """Tokens [batch, tokens] and the logits they were taken from [batch, tokens, vocabulary]."""
    result = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False, use_cache=True, pad_token_id=0,
        return_dict_in_generate=True, output_logits=True)
    assert result.sequences.shape[1] == ids.shape[1] + tokens
    return result.sequences[:, ids.shape[1]:], torch.stack(result.logits, dim=1)


def greedy(model, ids):
    """Tokens and the smallest distance of a first from a second. The cache must change nothing."""
    tokens, logits = generate(model, ids[None], torch.ones_like(ids)[None])
    again = forward(model, torch.cat([ids, tokens[0, :-1]]))[-NEW_TOKENS:]
    assert (again - logits[0]).abs().max() < SAME, "the cache changes logits"
    first, second = logits[0].topk(2).values.unbind(-1)
    return tokens[0], (first - second).min()


def answers(model, ids):
    result = {}
    for i, one in enumerate(ids):
        result[f"ids{i}"], result[f"logits{i}"] = one, forward(model, one)
        result[f"greedy{i}"], result[f"margin{i}"] = greedy(model, one)
    margins = torch.stack([result.pop(f"margin{i}") for i in range(len(ids))])
    return {**result, "margins": margins}


# ---------------------------------------------------------------- padding on the left

def padded(ids):
    """One batch: ids [3, 12] and its mask."""
    batch = torch.zeros(len(ids), max(LENGTHS), dtype=torch.int64)
    mask = torch.zeros_like(batch)
    for row, one in enumerate(ids):
        batch[row, -len(one):], mask[row, -len(one):] = one, 1
    return batch, mask


def word(difference):
    assert difference < SAME or difference > DIFFERENT, difference
    return "same" if difference < SAME else "different"


@torch.no_grad()
def left_padding(model, ids, result):
    """Whether a padded batch gives each text its own logits, in forward and in generate."""
    batch, mask = padded(ids)
    logits = model(input_ids=batch, attention_mask=mask, use_cache=False).logits
    _, generated = generate(model, batch, mask, tokens=1)
    forward_difference = generate_difference = 0.0
    for i, one in enumerate(ids):
        alone = result[f"logits{i}"]
        forward_difference = max(forward_difference, float((logits[i, -len(one):] - alone).abs().max()))
        generate_difference = max(generate_difference, float((generated[i, 0] - alone[-1]).abs().max()))
    return {"forward": word(forward_difference), "generate": word(generate_difference)}


def expected_padding(family, kind, windowed):
    """`kind` is None, prompt or prefix: what the adapter adds in front of the text.

    BLOOM takes distances from the mask. Elsewhere forward numbers a padded row from its first pad: rotations do
    not notice, as long as nothing stands in front. generate numbers from the mask, but PEFT drops that for prompts.
    A window counts the pads between a prefix and the text.
    """
    same = {True: "same", False: "different"}
    return {
        "forward": same[family == "bloom" or (family != "gpt2" and kind is None)],
        "generate": same[family == "bloom" or kind is None or (kind == "prefix" and not windowed)]}
