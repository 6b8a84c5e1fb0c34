"""A tiny random Qwen3 that chats: a token a character, a chat template that knows thinking."""

from __future__ import annotations

import string
from pathlib import Path

END = "<|im_end|>"
ENDS = tuple("~|^`{}%$&@")
"""Letters for `ends`, as real models have several end tokens: noise would seldom hit upon a single
one, and a reply that was cut is refused."""
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: "
    "{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}{% endif %}"
)


def make_chatter(
    folder: Path,
    context: int = 8192,
    words: tuple[str, ...] = (),
    seed: int = 0,
    ends: tuple[str, ...] = (),
) -> Path:
    """Write the model and return its folder; its context holds `context` characters.

    `words` are texts that it may say in one token, though it reads them letter by letter; its
    weights come from `seed`. `ends` are letters that end a reply, beside the end token.
    """
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    letters = sorted(set(string.printable) - set("\x0b\x0c\r"))
    vocabulary = {END: 0, "<unk>": 1, **{letter: 2 + at for at, letter in enumerate(letters)}}
    vocabulary |= {word: len(vocabulary) + at for at, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=END, unk_token="<unk>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=context,
        initializer_range=0.2,
        eos_token_id=0,
        dtype="float32",
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config.eos_token_id = [0, *(vocabulary[letter] for letter in ends)]
    model.save_pretrained(folder)
    return folder
