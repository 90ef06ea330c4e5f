"""What llama.cpp does with the model and the LoRA of run.py: prefill and decode on its CPU backend.

    pip install llama-cpp-python                         # builds llama.cpp, with its converters in the source archive
    python convert_hf_to_gguf.py BASE --outtype bf16 --outfile base.gguf
    python convert_lora_to_gguf.py ADAPTER_FOLDER --base BASE --outtype f32 --outfile lora.gguf
    python Tests/Benchmarks/run_llama.py base.gguf lora.gguf

Prefill is 512 tokens into an empty cache, decode 64 greedy tokens after 32 and after 512, of one sequence on two
threads, without its sampler; the best of five. The adapter is active in both. Prints tokens per second.
"""
import json, sys, time

PROMPT, LONG, NEW, ROUNDS, THREADS = 32, 512, 64, 5, 2


def measure(model, lora):
    from llama_cpp import Llama

    llama = Llama(model, lora_path=lora, n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=THREADS,
                  n_threads_batch=THREADS, logits_all=False, verbose=False)
    tokens = [(7919 * i + 17) % llama.n_vocab() for i in range(LONG)]

    def timed(count):
        llama.reset()
        start = time.perf_counter()
        llama.eval(tokens[:count])
        middle = time.perf_counter()
        for _ in range(NEW):
            llama.eval([llama.sample(temp=0, top_k=1)])
        return count / (middle - start), NEW / (time.perf_counter() - middle)

    short, long = zip(*[(timed(PROMPT), timed(LONG)) for _ in range(ROUNDS)])
    return {"prefill": max(rate for rate, _ in long), "decode": max(rate for _, rate in short),
            f"decode after {LONG}": max(rate for _, rate in long)}


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:]), indent=2))
