"""`python -m runtime.cli`."""

from runtime.cli import main

if __name__ == "__main__":  # a worker process imports this module, too
    main()
