using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Matrix.ToDevice.Tests;

/// <summary>An application that got the packages from a feed that has nothing else, and was written by their pages.</summary>
internal sealed partial class App
{
    private const string Sources = "tests/Matrix.ToDevice.PackageTests/Apps";

    private static readonly Lazy<Task<string>> s_apps = new(MakeFolderAsync);
    private static readonly Lazy<Task<App>> s_server = new(async () => await BuildAsync("Server", await WriteAsync("Server", "MyUsers")));

    private App(string name, string folder, params string[] command) => (Name, Folder, Command) = (name, folder, command);

    /// <summary>The server that adopts everything, built once.</summary>
    public static Task<App> Server => s_server.Value;

    public string Name { get; }

    public string Folder { get; }

    /// <summary>What is built or published, beside what it needs.</summary>
    public string Output => OutputOf(Folder);

    /// <summary>How it is started.</summary>
    public IReadOnlyList<string> Command { get; }

    /// <summary>The blocks of pages that applications consist of.</summary>
    public static IEnumerable<(string Page, int Block)> Blocks =>
        Directory.GetFiles(Path.Combine(Repository.Folder, Sources), "*.cs").SelectMany(file => Place().Matches(File.ReadAllText(file)))
            .Select(place => (place.Groups[1].Value, Number(place))).Distinct();

    public static IReadOnlyList<string> BlocksOf(Package package) =>
        [.. Block().Matches(package.Text(package["readme"]!)).Select(block => block.Groups[1].Value)];

    /// <summary>Builds for any machine with the runtime.</summary>
    public static async Task<App> BuildAsync(string name, string folder)
    {
        await CommandLine.DotnetAsync(folder, "build", "-c", "Release", "-o", "out", $"-p:Packed={Checkout.Version}");
        return new App(name, folder, "dotnet", Path.Combine(OutputOf(folder), $"{name}.dll"));
    }

    /// <summary>Publishes for machines like this one, without the runtime, by trimming or compiling ahead of time.</summary>
    public static async Task<App> PublishAsync(string name, string folder, string how)
    {
        await CommandLine.DotnetAsync(
            folder, "publish", "-c", "Release", "-o", "out", "-r", RuntimeInformation.RuntimeIdentifier, "--self-contained", $"-p:{how}=true",
            $"-p:Packed={Checkout.Version}");
        return new App(name, folder, Path.Combine(OutputOf(folder), name));
    }

    /// <summary>Writes the sources into a new folder, with the pages' blocks in their places, and returns the folder.</summary>
    public static async Task<string> WriteAsync(string name, params string[] others)
    {
        var folder = Directory.CreateDirectory(Path.Combine(await s_apps.Value, $"{name} {Path.GetRandomFileName()}")).FullName;
        var sources = Path.Combine(Repository.Folder, Sources);
        File.Copy(Path.Combine(sources, $"{name}.csproj"), Path.Combine(folder, $"{name}.csproj"));
        foreach (var file in (IEnumerable<string>)[name, .. others])
        {
            var text = Place().Replace(
                File.ReadAllText(Path.Combine(sources, $"{file}.cs")), place => BlocksOf(Packed.Find(place.Groups[1].Value))[Number(place) - 1]);
            File.WriteAllText(Path.Combine(folder, $"{file}.cs"), text);
        }

        return folder;
    }

    // Ours come from the feed and from nowhere else; the others from where this machine has them.
    private static async Task<string> MakeFolderAsync()
    {
        var folder = Packed.NewFolder("apps");
        var cache = (await CommandLine.RunAsync(CommandLine.Of(folder, "dotnet", "nuget", "locals", "global-packages", "--list"))).Split(": ", 2)[1].Trim();
        var sources = Source().Matches(await CommandLine.RunAsync(CommandLine.Of(folder, "dotnet", "nuget", "list", "source")))
            .Select(source => $"""<packageSource key="{source.Groups[1].Value}"><package pattern="*" /></packageSource>""");
        File.WriteAllText(Path.Combine(folder, "nuget.config"), $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="{Packed.NewFolder("packages")}" /></config>
              <fallbackPackageFolders><add key="cache" value="{cache}" /></fallbackPackageFolders>
              <packageSources><add key="packed here" value="{Packed.Feed}" /></packageSources>
              <packageSourceMapping>
                <packageSource key="packed here"><package pattern="Matrix.ToDevice" /><package pattern="Matrix.ToDevice.*" /></packageSource>
                {string.Concat(sources)}
              </packageSourceMapping>
            </configuration>
            """);
        return folder;
    }

    private static string OutputOf(string folder) => Path.Combine(folder, "out");

    private static int Number(Match place) => int.Parse(place.Groups[2].Value, System.Globalization.CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^ *// ([\w.]+) block (\d+)$", RegexOptions.Multiline)]
    private static partial Regex Place();

    [GeneratedRegex("```csharp\n(.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"^ +\d+\. +(.+) \[Enabled\]\r?$", RegexOptions.Multiline)]
    private static partial Regex Source();
}
