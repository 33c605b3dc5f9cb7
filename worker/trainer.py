"""TRL's SFTTrainer with the loss that suits the device and the studio's own evaluation."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTConfig, SFTTrainer

from studio.runs import Plan, RunSpec
from worker.hardware import Hardware
from worker.losses import fused_losses, plain_losses
from worker.model import adapts_head, trained
from worker.sampler import EndlessBatches
from worker.seeding import seed_step
from worker.state import Counters

MAX_LOGGED_STEPS = 20_000
OPTIMIZERS = {
    "adamw": "adamw_torch_fused",
    "adamw_8bit": "adamw_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
}


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]
    """Supervised training on tokenised rows that can begin behind any step.

    Order and randomness are functions of (seed, step). Evaluation and checkpoints are made by what it is given:
    `measure(step)`, and `settle(step)`, which says after each step whether to stop there.
    """

    def __init__(
        self,
        *,
        fused: bool,
        first_step: int,
        batches: Any,
        measure: Callable[[int], None],
        settle: Callable[[int], bool],
        refuse: Callable[..., None],
        between: Callable[[], None],
        count_tokens: Callable[[int], None],
        **arguments: Any,
    ) -> None:
        # TRL casts adapters over a quantized base to bfloat16, which loses small updates and, on a CPU, more than
        # doubles the time of a step (0.47 s against 1.13 s on two cores). The float32 weights are put back.
        exact = {name: parameter.data for name, parameter in trained(arguments["model"]).items()}
        super().__init__(**arguments)
        for name, parameter in trained(self.model).items():
            parameter.data = exact[name]
        self.remove_callback(PrinterCallback)
        self.losses = fused_losses if fused else plain_losses
        self.step_loss = 0.0
        self._fused = fused
        self._first_step = self._settled_step = first_step
        self._batches = batches
        self._measure = measure
        self._settle = settle
        self._refuse = refuse
        self._between = between
        self._count_tokens = count_tokens
        self._at_boundary: Counters | None = None

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The rows in the run's order; neither loader nor sampler holds a state that could be lost."""
        return DataLoader(
            self.train_dataset,
            batch_sampler=self._batches,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def _init_training_state(self, *arguments: Any) -> tuple[int, int]:
        """Transformers' own resume reads pickles; here only the count of steps has to be known so early."""
        found: tuple[int, int] = super()._init_training_state(*arguments)
        self.state.global_step = self._first_step
        return found

    def begin_step(self) -> None:
        """Make what is random depend on the step alone, and keep the counters for whoever leaves within it."""
        self._at_boundary = self._counters()
        self.step_loss = 0.0
        seed_step(self.args.seed, self.state.global_step + 1)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean loss of the learned tokens of the whole step; TRL's own on a GPU, the plain one on a CPU."""
        if self._fused:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        found = plain_losses(model, inputs)
        tokens = found.tokens.clamp(min=1)
        kept = self._metrics["train"]
        kept["mean_token_accuracy"].append((found.correct / tokens).item())
        self._total_train_tokens += int(inputs["attention_mask"].sum())
        kept["num_tokens"] = [self._total_train_tokens]
        return found.loss / (tokens if num_items_in_batch is None else num_items_in_batch)

    def training_step(self, model: Any, inputs: dict[str, Any], *arguments: Any, **keywords: Any) -> torch.Tensor:
        """Run one pass; its loss is added up, so that the first step's can be told before the weights change."""
        self._between()
        self._count_tokens(inputs["input_ids"].numel())
        loss = super().training_step(model, inputs, *arguments, **keywords)
        self.step_loss += float(loss)
        self._refuse(self.state.global_step + 1, self.step_loss)
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Look at the gradient just before the optimizer uses it."""
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        self._refuse(self.state.global_step + 1, self.step_loss, float(norm))
        return norm

    def _maybe_log_save_evaluate(self, *arguments: Any, **keywords: Any) -> None:
        """Behind log and evaluation of a step, settle it; transformers calls this once more behind the last one."""
        self._at_boundary = None
        super()._maybe_log_save_evaluate(*arguments, **keywords)
        step = self.state.global_step
        if step > self._settled_step:
            self._settled_step = step
            self.control.should_training_stop |= self._settle(step)

    def evaluate(self, *arguments: Any, **keywords: Any) -> dict[str, float]:
        """Measure in the studio's way."""
        self.control.should_evaluate = False
        self._measure(self.state.global_step)
        return {}

    def counters(self) -> Counters:
        """What was added up since the last log, as it stood behind the last whole step."""
        return self._at_boundary or self._counters()

    def take_no_more(self) -> None:
        """Give no more batches, so that no step is made."""
        self._batches.end()

    def restore(self, counters: Counters) -> None:
        """Go on counting where another attempt stopped; to be called once training has begun."""
        self._tr_loss.fill_(counters.loss)
        self._globalstep_last_logged = counters.logged_step
        self._total_train_tokens = counters.tokens
        self._metrics["train"].update({name: list(values) for name, values in counters.metrics.items()})

    def _counters(self) -> Counters:
        return Counters(
            loss=float(self._tr_loss),
            logged_step=self._globalstep_last_logged,
            tokens=self._total_train_tokens,
            metrics={name: list(values) for name, values in self._metrics["train"].items()},
        )


class BeginStep(TrainerCallback):
    """Tells the trainer when a step begins: only callbacks hear of it."""

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any
    ) -> None:
        """Pass it on."""
        self._begin()


def build_trainer(
    spec: RunSpec,
    plan: Plan,
    hardware: Hardware,
    first_step: int,
    *,
    callbacks: list[TrainerCallback],
    output_dir: str,
    batches: Sampler[list[int]] | None = None,
    **parts: Any,
) -> AnswerTrainer:
    """Translate a spec for TRL; `parts` are the model, the tokenizer, the rows and what AnswerTrainer calls.

    `first_step` is how many steps are done already; `batches` are others than those of the run's own order.
    """
    chosen = spec.hyperparameters
    own = EndlessBatches(
        len(parts["train_dataset"]),
        batch_size=chosen.batch_size,
        seed=chosen.seed,
        first=first_step * chosen.gradient_accumulation_steps,
        stop=plan.steps * chosen.gradient_accumulation_steps,
    )
    trainer = AnswerTrainer(
        args=_settings(spec, plan, hardware, output_dir),
        callbacks=callbacks,
        fused=hardware.on_gpu and not adapts_head(parts["model"]),
        first_step=first_step,
        batches=own if batches is None else batches,
        **parts,
    )
    trainer.add_callback(BeginStep(trainer.begin_step))
    return trainer


def _settings(spec: RunSpec, plan: Plan, hardware: Hardware, output_dir: str) -> SFTConfig:
    """The spec in TRL's words; evaluation and saving are the studio's own."""
    chosen = spec.hyperparameters
    return SFTConfig(
        output_dir=output_dir,
        max_steps=plan.steps,
        per_device_train_batch_size=chosen.batch_size,
        gradient_accumulation_steps=chosen.gradient_accumulation_steps,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=chosen.scheduler,
        warmup_steps=round(chosen.warmup_fraction * plan.steps),
        weight_decay=chosen.weight_decay,
        max_grad_norm=chosen.max_gradient_norm,
        optim=OPTIMIZERS[usable_optimizer(chosen.optimizer, hardware)],
        activation_checkpointing=chosen.gradient_checkpointing,
        neftune_noise_alpha=chosen.neftune_noise_alpha,
        seed=chosen.seed,
        data_seed=chosen.seed,
        bf16=hardware.compute is torch.bfloat16,
        use_cpu=not hardware.on_gpu,
        dataloader_pin_memory=hardware.on_gpu,
        logging_steps=max(1, plan.steps // MAX_LOGGED_STEPS),
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


def usable_optimizer(name: str, hardware: Hardware) -> str:
    """The 8-bit optimizers of bitsandbytes need a GPU; elsewhere AdamW takes their place."""
    return name if hardware.on_gpu else "adamw"
