#!/bin/sh
# Installs the Debian packages that the tests and the browser terminal use; running it again changes nothing.
#   chromium  drives the web terminal in tests, and brings SwiftShader, a Vulkan driver in software, on which the
#             WebGPU device is tested on machines without a graphics card
#   libvulkan1  finds and loads Vulkan drivers
#   postgresql  the database that the server's tests start, each its own; the system's own cluster is not touched
#   python3-swift  OpenStack Swift, an S3 service that others wrote, which the tests of object storage start, each its own;
#             the package alone has its code and brings no service of the system's
set -eu

packages="chromium libvulkan1 postgresql python3-swift"

missing=""
for package in $packages; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = "installed" ] || missing="$missing $package"
done

if [ -z "$missing" ]; then
  echo "setup_system: all of them are installed: $packages"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "setup_system: expected Debian's apt-get, found none; install these yourself:$missing" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "setup_system: expected to run as root; run: sudo apt-get update && sudo apt-get install$missing" >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update
# shellcheck disable=SC2086 # one argument a package
apt-get install --yes --no-install-recommends $missing
echo "setup_system: installed:$missing"
