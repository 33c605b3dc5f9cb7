"""Budget: what a run takes in memory, time and money, before and while it runs. Pure, and free of torch."""
