"""Networks that load while something else is done."""

from __future__ import annotations

import threading
from collections.abc import Callable

from facecli.runtime.network import Network
from facecli.types import FloatArray, PixelArray


class DeferredNetwork:
    """Loads a network in a thread of its own once it is started, and waits for it at the first call.

    Reading, verifying and compiling the networks is most of a cold start; it overlaps with decoding the first photo
    and with the other network's loading. An error of the loader is raised by the first call.
    """

    def __init__(self, load: Callable[[], Network]) -> None:
        self._load = load
        self._network: Network | None = None
        self._error: BaseException | None = None
        # No daemon: an interpreter that shuts down under a thread inside OpenVINO or torch may crash.
        self._thread = threading.Thread(target=self._run, name="load-network")
        self._starting = threading.Lock()

    def start(self) -> None:
        """Begin to load, if nobody has yet."""
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def _run(self) -> None:
        try:
            self._network = self._load()
        except BaseException as error:  # noqa: BLE001  # handed to the thread that asks for the network
            self._error = error

    def __call__(self, pictures: PixelArray) -> dict[str, FloatArray]:
        """Run a batch; see `facecli.runtime.network.Network`."""
        if self._network is None:
            self.start()
            self._thread.join()
        if self._network is None:
            raise self._error or RuntimeError("the network did not load")
        return self._network(pictures)
