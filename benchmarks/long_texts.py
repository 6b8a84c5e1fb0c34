"""Memory and time of one document of a million characters without a space, by wordllama.

python -m benchmarks.long_texts        each text in pieces and whole, each in a process of its own

Prints a line a text: MiB above the loaded model, seconds of processor time, and whether the two
vectors are the same bit by bit. Reads /proc, so Linux only.
"""

from __future__ import annotations

import hashlib
import random
import string
import subprocess
import sys
import time

LENGTH = 1_000_000
ALPHABETS = {
    "Chinese": "".join(map(chr, range(0x4E00, 0x9FA6))),
    "base64": f"{string.ascii_letters}{string.digits}+/",
    "digits": string.digits,
    "DNA": "acgt",
    "one letter": "a",
}
"""Kind of text -> what its characters are drawn from."""


def peak_mib() -> int:
    """Return the largest memory use of this process so far."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(each for each in status if each.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def measure(kind: str, piece: int) -> str:
    """Encode one text; return MiB above the model, seconds, and the hash of its vector."""
    from models.backends.static_tables import WordLlamaTable

    rng = random.Random(1)
    text = "".join(rng.choices(ALPHABETS[kind], k=LENGTH))
    table = WordLlamaTable(256)
    table.means(["moss"], 0)
    table._pieces._piece = piece
    before, start = peak_mib(), time.process_time()
    vector = table.means([text], 0)
    seconds = time.process_time() - start
    digest = hashlib.sha256(vector.tobytes()).hexdigest()
    return f"{peak_mib() - before} {seconds:.1f} {digest}"


def main() -> None:
    """Measure each kind of text in pieces and whole."""
    for kind in ALPHABETS:
        found = []
        for piece in ("100000", str(10**9)):
            command = [sys.executable, "-m", "benchmarks.long_texts", kind, piece]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(done.stdout.split())
        (mib, seconds, digest), (whole_mib, whole_seconds, whole_digest) = found
        same = "the same vector" if digest == whole_digest else "ANOTHER VECTOR"
        print(f"{kind:10}  {mib:>4} MiB {seconds:>5} s   whole {whole_mib:>4} MiB "
              f"{whole_seconds:>5} s   {same}")  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(measure(sys.argv[1], int(sys.argv[2])))
    else:
        main()
