"""What the commands share: options made from settings, suggestions for misspelt words, and `elman help`."""

from dataclasses import fields

import click

from elman.data.source import did_you_mean
from elman.tasks import TASKS
from elman.tasks.settings import CPU_ONLY, DEVICES


def options(settings: type) -> list[click.Parameter]:
    """Make an option of each field of a settings class (see `elman.tasks.settings.option`)."""
    made: list[click.Parameter] = []
    for setting in fields(settings):
        default, known = setting.default, setting.metadata
        names = [setting.name, "--" + setting.name.replace("_", "-")]
        made.append(
            click.Option(
                [*names, f"--{known['short']}"] if known["short"] else names,
                is_flag=default is False,
                type=known["kind"] or (str if default is None else type(default)),
                metavar="|".join(known["choices"]) or None,
                default=default,
                show_default=default is not None and default is not False,
                help=known["help"],
            )
        )
    return made


class Commands(click.Group):
    """A group that suggests a command in place of a misspelt one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names. Raises UsageError."""
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing:  # as the shell completes a line, nothing is wrong
            raise click.UsageError(self.unknown(name, self.list_commands(ctx)), ctx)
        return name if command else None, command, args[1:]

    def unknown(self, name: str, known: list[str]) -> str:
        """Return what to say of a command that is not `known`."""
        hint = f"did you mean 'train {name}'?" if name in TASKS else did_you_mean(name, known)
        return f"there is no command {name!r}; {hint or 'the commands are: ' + ', '.join(known)}"


def unknown_option(error: click.NoSuchOption) -> click.UsageError:
    """Return what to say of an option that a command does not have."""
    name, context = error.option_name, error.ctx
    if name.lstrip("-") in DEVICES:
        hint = CPU_ONLY
    else:
        params = context.command.get_params(context) if context else []
        known = [text for param in params if isinstance(param, click.Option) for text in param.opts]
        hint = did_you_mean(name, known) or "--help lists the options"
    return click.UsageError(f"there is no option {name}; {hint}", context)


@click.command("help")
@click.argument("command", nargs=-1, metavar="[COMMAND]")
@click.pass_context
def help_command(ctx: click.Context, command: tuple[str, ...]) -> None:
    """Show the help of a command, as --help does."""
    here = ctx.find_root()
    for word in command:
        if not isinstance(here.command, click.Group):
            raise click.UsageError(f"{here.command_path} has no commands of its own", here)
        name, found, _ = here.command.resolve_command(here, [word])
        assert found, "a group without the command raises"
        here = click.Context(found, here, name)
    click.echo(here.get_help())
