# The rest is the same for every stack. It may be run again: what is as it should be stays.

LOG=/var/log/loadcore-user-data.log
HOME_DIR=/opt/loadcore
STATE_DIR=/var/lib/loadcore-instance
UNITS=/etc/systemd/system
IMDS=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
ATTEMPTS=6

say() { echo "loadcore user data: $*"; }
die() {
  say "FAILED: $*"
  exit 1
}

# retry WHAT COMMAND...: again after 1, 2, 4, ... s, ATTEMPTS times in all.
retry() {
  local what=$1 attempt pause=1
  shift
  for ((attempt = 1; ; attempt++)); do
    "$@" && return
    [ "$attempt" -lt "$ATTEMPTS" ] || die "$what: $ATTEMPTS attempts failed, the last as said above"
    say "$what failed; again in $pause s"
    sleep "$pause"
    pause=$((pause * 2))
  done
}

# put PATH MODE TEXT: writes the file if it differs, and notes that it did.
CHANGED=""
put() {
  if [ -f "$1" ] && [ "$(cat "$1"; echo .)" = "$3." ]; then return; fi
  mkdir -p "$(dirname "$1")" && (umask 077 && printf %s "$3" >"$1.new") && chmod "$2" "$1.new" &&
    mv "$1.new" "$1" || die "$1 could not be written, see above"
  CHANGED="$CHANGED $1"
}

# --- the machine

has_python() { "$PYTHON" -c 'import ensurepip, venv' >/dev/null 2>&1; }

system_install() {
  if command -v dnf >/dev/null; then
    dnf install -y -q "$@"
  elif command -v apt-get >/dev/null; then
    # First boots share apt's lock with the distribution's own updates.
    apt-get -qq -o DPkg::Lock::Timeout=120 update &&
      DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=120 \
        install --no-install-recommends "$@" >/dev/null
  else
    die "this image has neither dnf nor apt-get; take Amazon Linux 2023, Debian or Ubuntu"
  fi
}

# Before 7.87 it leaves headers out of a signature that S3 wants signed.
curl_signs() {
  local have
  have=$(curl --version | sed -n '1s/^curl \([0-9.]*\).*/\1/p')
  [ "$(printf '%s\n' 7.87 "$have" | sort -V | head -n 1)" = 7.87 ]
}

install_system() {
  local packages=()
  command -v curl >/dev/null || packages+=(curl ca-certificates)
  case $PACKAGE_FILE in
    *.whl)
      if ! has_python; then
        packages+=("$PYTHON")
        # Debian keeps venv in a package of its own.
        command -v dnf >/dev/null || packages+=("$PYTHON-venv")
      fi
      ;;
    *.rpm)
      command -v dnf >/dev/null ||
        die "an RPM needs Amazon Linux 2023, and this image has no dnf; upload a wheel"
      ;;
  esac
  [ "${#packages[@]}" = 0 ] || retry "installing ${packages[*]}" system_install "${packages[@]}"
  curl_signs || die "curl is older than 7.87; take Amazon Linux 2023, Debian 12 or Ubuntu 24.04"
}

# --- the package

metadata() { # metadata CATEGORY
  curl -fsS -m 5 --noproxy '*' -H @<(echo "X-aws-ec2-metadata-token: $TOKEN") \
    "$IMDS/latest/meta-data/$1"
}

new_token() {
  TOKEN=$(curl -fsS -m 5 --noproxy '*' -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 900" \
    "$IMDS/latest/api/token")
}

field() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }

read_credentials() {
  local role found
  new_token && role=$(metadata iam/security-credentials/) && [ -n "$role" ] &&
    found=$(metadata "iam/security-credentials/${role%%$'\n'*}") || return 1
  KEY_ID=$(field AccessKeyId <<<"$found")
  SECRET=$(field SecretAccessKey <<<"$found")
  SESSION=$(field Token <<<"$found")
  [ -n "$KEY_ID" ] && [ -n "$SECRET" ] && [ -n "$SESSION" ]
}

object_url() { # object_url KEY
  if [ -n "$ENDPOINT_URL" ]; then
    echo "$ENDPOINT_URL/$BUCKET/$1"
  else
    echo "https://$BUCKET.s3.$REGION.$(metadata services/domain)/$1"
  fi
}

# The secret goes to curl through a pipe: arguments are for all of the machine to read.
download() { # download KEY FILE
  local url
  url=$(object_url "$1") || return 1
  curl -fsS --connect-timeout 10 -m 600 --aws-sigv4 "aws:amz:$REGION:s3" -o "$2" \
    --config <(printf 'user = "%s:%s"\nheader = "x-amz-security-token: %s"\n' \
      "$KEY_ID" "$SECRET" "$SESSION") \
    -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" "$url"
}

fetch() { # fetch KEY SHA256 FOLDER
  local file=${1##*/} sum
  file=$3/${file//"~"/+} # which keys have in its place
  retry "fetching s3://$BUCKET/$1" download "$1" "$file"
  sum=$(sha256sum "$file")
  [ "${sum%% *}" = "$2" ] ||
    die "s3://$BUCKET/$1 has the SHA-256 ${sum%% *}, not $2; upload the package again"
}

install_wheel() { # install_wheel FOLDER
  local pip=("$HOME_DIR/bin/python" -m pip install -q --disable-pip-version-check)
  # Without dependencies among the uploads, they come from the index that pip is set up for.
  [ "${#WHEELS[@]}" = 0 ] || pip+=(--no-index --find-links "$1")
  "$PYTHON" -m venv --clear "$HOME_DIR" || return 1
  "${pip[@]}" "$1/${PACKAGE_FILE}[aws]"
}

install_package() {
  local wanted folder wheel
  wanted="$PACKAGE_KEY $PACKAGE_SHA256 ${WHEELS[*]}"
  if [ "$(cat "$STATE_DIR/package" 2>/dev/null)" = "$wanted" ]; then return; fi
  folder=$(mktemp -d) || die "there is no room for a temporary folder"
  # shellcheck disable=SC2064 # the name as it is now
  trap "rm -rf '$folder'" EXIT
  retry "reading the credentials of the instance's role" read_credentials
  fetch "$PACKAGE_KEY" "$PACKAGE_SHA256" "$folder"
  for wheel in "${WHEELS[@]}"; do fetch "${wheel%% *}" "${wheel##* }" "$folder"; done
  rm -f "$STATE_DIR/package"
  case $PACKAGE_FILE in
    *.whl) retry "installing $PACKAGE_FILE" install_wheel "$folder" ;;
    *.rpm) retry "installing $PACKAGE_FILE" dnf install -y -q "$folder/$PACKAGE_FILE" ;;
  esac
  "$HOME_DIR/bin/python" -c 'import loadcore, loadcore_aws' ||
    die "$PACKAGE_FILE does not run here, see above; build it on this image's system or an older one"
  echo "$wanted" >"$STATE_DIR/package"
  CHANGED="$CHANGED package"
}

# --- the service

migrate() {
  [ -n "$MIGRATION" ] || return 0
  local stamp
  stamp=$STATE_DIR/migrated-$(sha256sum <<<"$MIGRATION" | cut -c 1-16)
  [ ! -e "$stamp" ] || return 0
  say "running the migration"
  (service_environment && PATH=$HOME_DIR/bin:$PATH bash -euc "$MIGRATION") ||
    die "the migration ended with exit code $?"
  touch "$stamp"
}

start_services() {
  local changed name
  changed=$("$HOME_DIR/bin/python" -m loadcore_aws.instance units "$UNITS") ||
    die "the unit files could not be written"
  CHANGED="$CHANGED $changed"
  [ -z "${CHANGED// /}" ] || systemctl daemon-reload || die "systemctl daemon-reload failed"
  for name in "${SERVICES[@]}"; do
    systemctl enable --quiet "$name" || die "$name could not be enabled"
    if [ -n "${CHANGED// /}" ]; then systemctl restart "$name"; else systemctl start "$name"; fi || {
      journalctl -u "$name" -n 20 --no-pager -o cat || true
      die "$name did not start; its log is above"
    }
  done
}

# Too late is not failed: the service runs on, and the balancer takes it once it is healthy.
wait_until_healthy() {
  local told code
  told=$("$HOME_DIR/bin/python" -m loadcore_aws.instance ready --timeout "$READY_S" 2>&1)
  code=$?
  [ "$code" != 0 ] || return 0
  told=${told##*$'\n'}
  told=${told#loadcore: }
  [ "$code" = 4 ] || die "$told"
  say "NOT YET: $told"
  exit 1
}

main() {
  [ "$(id -u)" = 0 ] || die "this is for root, as cloud-init runs it"
  say "stack $STACK, $PACKAGE_FILE"
  mkdir -p "$STATE_DIR"
  install_system
  install_package
  write_files
  [ -z "$OWN_LINES" ] || bash -euc "$OWN_LINES" ||
    die "the stack's own lines ended with exit code $?"
  migrate
  start_services
  wait_until_healthy
  if [ -n "${CHANGED// /}" ]; then say "done"; else say "done; nothing changed"; fi
}

# cloud-init shows what is printed on the console; a copy stays on the disk.
set -uo pipefail
umask 022
cd / || exit 1
main > >(exec tee -a "$LOG") 2>&1
