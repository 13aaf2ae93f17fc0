from collections.abc import Callable


def encoder(name: str, *, original: bool = False) -> Callable[[bytes], bytes]:
    return lambda line: line


NAMES = ("native", "ecs", "google", "datadog")
