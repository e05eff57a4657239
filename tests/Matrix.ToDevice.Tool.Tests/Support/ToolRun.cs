using System.Diagnostics;
using System.Reflection;
using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>The tool, run to its end as an operator runs it, with its output going to a file.</summary>
internal sealed record ToolRun(int ExitCode, string Output, string Errors)
{
    public static string Dll { get; } =
        Path.Combine(Repository.Folder, "src/Matrix.ToDevice.Tool/bin", Metadata("Configuration"), "Matrix.ToDevice.Tool.dll");

    /// <summary>What <c>--json</c> has written.</summary>
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public static Task<ToolRun> RunAsync(params string[] arguments) => RunAsync([], arguments);

    public static async Task<ToolRun> RunAsync(Dictionary<string, string> environment, params string[] arguments)
    {
        using var process = Start(environment, arguments);
        process.StandardInput.Close();
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return new ToolRun(process.ExitCode, await output, await errors);
    }

    /// <summary>Runs it, and what it says has to be that all is well.</summary>
    public static async Task<ToolRun> FineAsync(params string[] arguments)
    {
        var run = await RunAsync(arguments);
        Assert.That(run.ExitCode, Is.Zero, $"{string.Join(' ', arguments)}: {run.Output}{run.Errors}");
        return run;
    }

    public static Process Start(Dictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Dll, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    private static string Metadata(string key) => typeof(ToolRun).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(metadata => metadata.Key == key).Value!;
}
