using Spectre.Console;

namespace Matrix.ToDevice.Tool;

/// <summary>Long work, with a bar beside the output for whoever sits before a terminal.</summary>
internal static class Work
{
    public static async Task RunAsync(bool isQuiet, string title, long total, Func<IProgress<long>, Task> work)
    {
        if (isQuiet || Console.IsErrorRedirected)
        {
            await work(new Nobody());
            return;
        }

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        await console.Progress().AutoClear(true).StartAsync(async context =>
        {
            var bar = context.AddTask(title, maxValue: Math.Max(total, 1));
            bar.IsIndeterminate = total == 0;
            await work(new Bar(bar));
        });
    }

    private sealed class Nobody : IProgress<long>
    {
        public void Report(long value)
        {
        }
    }

    private sealed class Bar(ProgressTask task) : IProgress<long>
    {
        public void Report(long value) => task.Value = value;
    }
}
