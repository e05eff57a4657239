using System.Diagnostics;

namespace Matrix.ToDevice.Tests;

/// <summary>Programs that end, with all that they started, in time; and that know nothing of what runs these tests.</summary>
internal static class CommandLine
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(10);

    // What a build that runs these tests says to its own processes, and what a job says of itself.
    private static readonly string[] s_foreign = ["MSBUILD", "VSTEST", "GITHUB_", "CI", "TEST_MINUTES", "TESTINGPLATFORM"];

    public static ProcessStartInfo Of(string folder, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var name in start.Environment.Keys.Where(name => s_foreign.Any(part => name.StartsWith(part, StringComparison.OrdinalIgnoreCase))).ToList())
            start.Environment.Remove(name);
        start.Environment["DOTNET_CLI_UI_LANGUAGE"] = "en";
        start.Environment["DOTNET_NOLOGO"] = start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        return start;
    }

    /// <summary>Runs a command of the SDK, which leaves no server of its own behind.</summary>
    public static Task<string> DotnetAsync(string folder, params string[] arguments) => RunAsync(Dotnet(folder, arguments));

    public static ProcessStartInfo Dotnet(string folder, params string[] arguments) =>
        Of(folder, "dotnet", [.. arguments, "--disable-build-servers", "-v", "quiet", "--tl:off", "-warnaserror"]);

    /// <summary>Runs a program to its end and returns what it said. One that fails has failed with all that it said.</summary>
    public static async Task<string> RunAsync(ProcessStartInfo start)
    {
        using var process = Process.Start(start)!;
        using var over = new CancellationTokenSource(s_limit);
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(over.Token), process.StandardError.ReadToEndAsync(over.Token));
            await process.WaitForExitAsync(over.Token);
            var said = await output + await errors;
            return process.ExitCode == 0 ? said
                : throw new InvalidOperationException($"{start.FileName} {string.Join(' ', start.ArgumentList)} ended with {process.ExitCode}:\n{said}");
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}
