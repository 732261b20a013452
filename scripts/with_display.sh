#!/usr/bin/env bash
# Run a command with a display: the one there is, or a virtual one.
#
#   scripts/with_display.sh COMMAND [ARGUMENT ...]
set -euo pipefail

# Qt binding of the tests and the demo, unless the caller has chosen one.
export QT_API="${QT_API:-pyqt6}"
export PYTEST_QT_API="${PYTEST_QT_API:-$QT_API}"

if [[ "$(uname -s)" != Linux || -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]]; then
    exec "$@"
fi
"$(dirname "$0")/system_libs.sh" gui
# No GPU serves a virtual display: Mesa renders in software.
export LIBGL_ALWAYS_SOFTWARE=1
export NAPARI_SPINALSAM_VIRTUAL_DISPLAY=1
# Nobody goes on with the work of such a run.
NAPARI_SPINALSAM_RECOVERY="$(mktemp -d)"
export NAPARI_SPINALSAM_RECOVERY
exec xvfb-run -a -s "-screen 0 1600x1000x24" "$@"
