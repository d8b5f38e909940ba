# What ./quickstart and ./check share: finding and installing packages, and configuring a build.
# It is sourced from the project's root and keeps to POSIX sh.

logs=build-logs
# A new Ubuntu is often still updating itself.
wait_for_lock='-o DPkg::Lock::Timeout=300'

# A row is a Debian package, and how to see that what it brings is there already: a command, a
# pkg-config module, a driver the OpenCL loader knows, or an option that clang links with.
build_needs='
gcc                 command cc
g++                 command c++
meson               command meson
ninja-build         command ninja
pkg-config          command pkg-config
python3             command python3
ocl-icd-opencl-dev  module  OpenCL
pocl-opencl-icd     driver  pocl
libclblast-dev      module  clblast
libyaml-dev         module  yaml-0.1
libjansson-dev      module  jansson
zlib1g-dev          module  zlib
libdeflate-dev      module  libdeflate
libjpeg-dev         module  libjpeg
libpng-dev          module  libpng
'
test_needs='
libcmocka-dev       module  cmocka
'
# Tests that use these are left out, by name, where a system does not package them.
test_wants='
clang               command clang
libclang-rt-dev     links   -fsanitize=thread
mesa-opencl-icd     driver  rusticl
oclgrind            command oclgrind
clang-19            command clang-19
intel-opencl-icd    command ocloc
'

say() {
    printf '%s\n' "$*"
}

# quietly LOG COMMAND…: the command's output goes to the log, and to the screen if it fails.
quietly() {
    log=$1
    shift
    mkdir -p "${log%/*}"
    if ! "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        say "Failed: $* (the whole output is in $log)" >&2
        return 1
    fi
}

is_there() {
    case $1 in
    command) command -v "$2" >/dev/null 2>&1 ;;
    module) pkg-config --exists "$2" 2>/dev/null ;;
    links) echo 'int main(void) { return 0; }' | clang "$2" -x c - -o /dev/null 2>/dev/null ;;
    driver) ls "${OCL_ICD_VENDORS:-/etc/OpenCL/vendors}/$2"*.icd >/dev/null 2>&1 ;;
    esac
}

# missing ROWS: the packages whose rows find nothing, on one line.
missing() {
    printf '%s\n' "$1" | while read -r package kind name; do
        [ -z "$package" ] || is_there "$kind" "$name" || printf '%s ' "$package"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# packaged PACKAGE…: those among them that this system can install.
packaged() {
    for package in "$@"; do
        if apt-cache policy "$package" | grep -q 'Candidate: [^(]'; then
            printf '%s ' "$package"
        fi
    done
}

can_install() {
    command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }
}

# install_missing NEEDS WANTS: installs what is missing of both; fails if a need stays missing.
install_missing() {
    needed=$(missing "$1")
    wanted=$(missing "$2")
    if [ -n "$needed$wanted" ] && can_install; then
        [ -z "$needed" ] || say Missing, being installed with apt-get: $needed
        [ -z "$needed" ] || quietly $logs/apt-update.log as_root apt-get $wait_for_lock update
        wanted=$(packaged $wanted)
        [ -z "$wanted" ] || say Also being installed, for the tests: $wanted
        [ -z "$needed$wanted" ] || quietly $logs/apt-install.log as_root \
            env DEBIAN_FRONTEND=noninteractive \
            apt-get $wait_for_lock install -y --no-install-recommends $needed $wanted || true
    fi
    needed=$(missing "$1")
    if [ -n "$needed" ]; then
        say Still missing, by the names of Debian and Ubuntu: $needed >&2
        say Install them as root, there with apt-get install, then run this again. >&2
        return 1
    fi
}

# configure DIR OPTION…: a new build directory, or one from an earlier run with these options.
configure() {
    if [ -f "$1/build.ninja" ]; then
        meson setup --reconfigure "$@" || meson setup --wipe "$@"
    else
        meson setup "$@"
    fi
}
