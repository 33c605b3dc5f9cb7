"""What a supervisor tells its trainer by signal, and what a trainer tells by its exit code."""

import signal

# Save the state of the last optimizer step and leave with EXIT_SAVED.
SAVE_AND_LEAVE = signal.SIGTERM
# Stop training at the next optimizer step, evaluate, and export the best weights.
FINISH = signal.SIGUSR1
# Write where every thread stands into the log.
DUMP_STACKS = signal.SIGUSR2

# EX_TEMPFAIL of sysexits(3): try again later.
EXIT_SAVED = 75
# Another process holds this GPU.
EXIT_GPU_BUSY = 76
# The cap was reached before the first step, so there is nothing to keep.
EXIT_AT_CAP = 77
