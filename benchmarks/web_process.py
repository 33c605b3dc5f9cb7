"""The idle web process: seconds from exec to the first answer, and memory. Goals: 1.5 s and 90 MB, no torch."""

from benchmarks._studio import write_result
from benchmarks._website import running_website

REPEATS = 5
PAGES = ("/", "/datasets", "/datasets/new", "/runs", "/adapters", "/api/runs", "/api/openapi.json")


def main() -> None:
    """Start it several times and write the result."""
    seconds, cpu, idle, used, heavy = [], [], [], [], set()
    for _ in range(REPEATS):
        with running_website() as website:
            seconds.append(website.seconds_to_listening)
            cpu.append(website.cpu_seconds())
            idle.append(website.memory_mb())
            for path in PAGES:
                website.get(path)
            used.append(website.memory_mb())
            heavy |= {name for name in ("torch", "numpy", "pyarrow") if website.maps(f"/{name}/")}
    write_result(
        "web_process",
        {
            "seconds_to_first_answer": sorted(round(value, 2) for value in seconds),
            "cpu_seconds_to_first_answer": sorted(round(value, 2) for value in cpu),
            "seconds_goal": 1.5,
            "idle_memory_mb": round(max(idle), 1),
            "memory_mb_after_every_page": round(max(used), 1),
            "memory_goal_mb": 90,
            "heavy_libraries": sorted(heavy),
        },
    )


if __name__ == "__main__":
    main()
