# Each target hands over to a script in tools/, so that what it does can be read, and run, without make.
# `exec` puts the program in make's own child's place: Ctrl-C and SIGTERM reach it, and its exit status is ours.

.PHONY: run test bench clean

run:  ## a chat at http://127.0.0.1:3000; PORT=, HOST=, WORKERS=, REDIS=redis://... change it
	@exec sh tools/run.sh

test:  ## lint, types and all the tests; PYTHON= and VENV= choose an interpreter, TESTS= a part
	@exec sh tools/test.sh

bench:  ## this server beside others, on this machine, in one run
	@exec sh tools/bench.sh

clean:  ## forget what the others set up
	rm -rf .venv .venv-* .build tests/node/node_modules
