# Every target does its own set-up; nothing but git, make, Node 20+ with npm and python3 with venv is assumed.
# npm puts the pinned Node (node_modules/.bin/node) first on PATH for every script.

.PHONY: demo test check bench fuzz chaos rehearse-base tuf-conformance generate format clean

setup = node_modules/.installed

demo: $(setup)
	@npm run --silent demo -- $(ARGS)

test: $(setup)
	@npm run --silent check
	@npm test --silent -- $(ARGS)

check: $(setup)
	@npm run --silent check

bench: $(setup)
	@npm run --silent bench -- $(ARGS)

fuzz: $(setup)
	@npm run --silent fuzz -- $(ARGS)

chaos: $(setup)
	@npm run --silent chaos -- $(ARGS)

rehearse-base: $(setup)
	@npm run --silent rehearse-base -- $(ARGS)

tuf-conformance: $(setup)
	@npm run --silent tuf-conformance -- $(ARGS)

generate: $(setup)
	@npm run --silent generate

format: $(setup)
	@npm run --silent format

clean:
	rm -rf node_modules .venv .local-hub .iotdh

$(setup): package-lock.json package.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@
