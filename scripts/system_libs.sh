#!/usr/bin/env bash
# Make sure that the system has what pip cannot install.
#
#   scripts/system_libs.sh venv   a Python that can create virtual environments
#   scripts/system_libs.sh gui    the libraries of Qt and OpenGL, and Xvfb where there is no display
#
# Does nothing when all is there. On Debian and Ubuntu it installs what is missing
# when run as root; otherwise it prints the command to run and exits 1. On macOS and
# Windows, Qt brings what it needs.
set -euo pipefail

# Shared library that has to be there : Debian package that brings it.
GUI_LIBRARIES=(
    libEGL.so.1:libegl1
    libGL.so.1:libgl1
    libOpenGL.so.0:libopengl0
    libxkbcommon.so.0:libxkbcommon0
    libxkbcommon-x11.so.0:libxkbcommon-x11-0
    libxcb-cursor.so.0:libxcb-cursor0
    libxcb-icccm.so.4:libxcb-icccm4
    libxcb-image.so.0:libxcb-image0
    libxcb-keysyms.so.1:libxcb-keysyms1
    libxcb-randr.so.0:libxcb-randr0
    libxcb-render-util.so.0:libxcb-render-util0
    libxcb-shape.so.0:libxcb-shape0
    libxcb-xfixes.so.0:libxcb-xfixes0
    libxcb-xinerama.so.0:libxcb-xinerama0
    libdbus-1.so.3:libdbus-1-3
    libfontconfig.so.1:libfontconfig1
    libglib-2.0.so.0:libglib2.0-0
)

missing=()

check_venv() {
    "${PYTHON:-python3}" -c "import ensurepip, venv" 2>/dev/null || missing+=(python3-venv)
}

check_gui() {
    local known entry
    known="$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null || true)"
    for entry in "${GUI_LIBRARIES[@]}"; do
        grep -qF "${entry%%:*} " <<<"$known" || missing+=("${entry##*:}")
    done
    # The software renderer of Mesa is loaded by name at run time, not linked.
    compgen -G "/usr/lib*/*/dri/swrast_dri.so" >/dev/null ||
        compgen -G "/usr/lib*/dri/swrast_dri.so" >/dev/null ||
        compgen -G "/usr/lib*/*/libgallium*.so*" >/dev/null ||
        compgen -G "/usr/lib*/libgallium*.so*" >/dev/null ||
        missing+=(libgl1-mesa-dri)
    # Without any font, Qt draws every letter as a box.
    [[ -n "$(find /usr/share/fonts /usr/local/share/fonts "${HOME:-/root}/.fonts" \
        -name '*.[to]tf' -print -quit 2>/dev/null)" ]] || missing+=(fonts-dejavu-core)
    if [[ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]]; then
        command -v xvfb-run >/dev/null && command -v Xvfb >/dev/null || missing+=(xvfb)
        command -v xauth >/dev/null || missing+=(xauth)
    fi
}

[[ "$(uname -s)" == Linux ]] || exit 0
case "${1:-}" in
    venv) check_venv ;;
    gui) check_gui ;;
    *) echo "usage: $0 venv|gui" >&2; exit 2 ;;
esac
[[ ${#missing[@]} -gt 0 ]] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Missing on this system (Debian names): ${missing[*]}" >&2
    echo "Install their counterparts with the package manager of this system." >&2
    exit 1
fi
if [[ "$(id -u)" -ne 0 ]]; then
    echo "Missing system packages. Install them, then run this again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
echo "Installing system packages: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq </dev/null
apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
