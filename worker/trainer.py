"""TRL's SFTTrainer with the loss that suits the device and the studio's own evaluation."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from studio.runs import Plan, RunSpec
from worker.hardware import Hardware, Threads
from worker.losses import fused_losses, plain_losses
from worker.model import adapts_head, trained

MAX_LOGGED_STEPS = 20_000
OPTIMIZERS = {
    "adamw": "adamw_torch_fused",
    "adamw_8bit": "adamw_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
}


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]
    """Supervised training on tokenised rows; evaluation is done by `measure`, checkpoints by nobody here."""

    def __init__(self, *, fused: bool, measure: Callable[[int], None], threads: Threads, **arguments: Any) -> None:
        # TRL casts adapters over a quantized base to bfloat16, which loses small updates and, on a CPU, more than
        # doubles the time of a step (0.47 s against 1.13 s on two cores). The float32 weights are put back.
        exact = {name: parameter.data for name, parameter in trained(arguments["model"]).items()}
        super().__init__(**arguments)
        for name, parameter in trained(self.model).items():
            parameter.data = exact[name]
        self.remove_callback(PrinterCallback)
        self.losses = fused_losses if fused else plain_losses
        self.first_loss = 0.0
        self._fused = fused
        self._measure = measure
        self._threads = threads

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

    def training_step(self, *arguments: Any, **keywords: Any) -> torch.Tensor:
        """Run one pass; of the first step the loss is kept, so that it can be told before the weights change."""
        loss = super().training_step(*arguments, **keywords)
        self._threads.watch()
        if self.state.global_step == 0:
            self.first_loss += float(loss)
        return loss

    def evaluate(self, *arguments: Any, **keywords: Any) -> dict[str, float]:
        """Measure in the studio's way."""
        self.control.should_evaluate = False
        self._measure(self.state.global_step)
        return {}


def build_trainer(
    spec: RunSpec, plan: Plan, hardware: Hardware, *, callbacks: list[TrainerCallback], output_dir: str, **parts: Any
) -> AnswerTrainer:
    """Translate a spec for TRL; `parts` are the model, the tokenizer, the rows and `measure`."""
    chosen = spec.hyperparameters
    config = SFTConfig(
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
    fused = hardware.on_gpu and not adapts_head(parts["model"])
    return AnswerTrainer(args=config, callbacks=callbacks, fused=fused, **parts)


def usable_optimizer(name: str, hardware: Hardware) -> str:
    """The 8-bit optimizers of bitsandbytes need a GPU; elsewhere AdamW takes their place."""
    return name if hardware.on_gpu else "adamw"
