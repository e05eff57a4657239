using System.Text.RegularExpressions;

namespace Release;

/// <summary>
/// Projects made with <c>dotnet new</c> from what the rehearsal has pushed. Ours come from its gallery alone, into a folder of their own;
/// those of others are the ones that this machine has. Its own list of templates is not touched.
/// </summary>
internal static class Templates
{
    private static readonly Lazy<Task<string>> s_installed = new(InstallAsync);

    /// <summary>The folder of a new project.</summary>
    public static async Task<string> CreateAsync(string template, string name)
    {
        var folder = await s_installed.Value;
        await RunAsync($"dotnet new {template} -n {name} --debug:custom-hive {folder}/hive", folder);
        return Path.Combine(folder, name);
    }

    public static Task<string> RunAsync(string script, string folder) => Shell.RunAsync(script, folder, new Dictionary<string, string>
    {
        ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "true",
        ["DOTNET_NOLOGO"] = "true",
        ["NUGET_PACKAGES"] = Rehearsal.Folder("packages"),
    });

    /// <summary>The blocks of a README.</summary>
    public static List<string> BlocksOf(string folder, string language) =>
        [.. Block(language).Matches(File.ReadAllText(Path.Combine(folder, "README.md"))).Select(match => match.Groups[1].Value)];

    private static async Task<string> InstallAsync()
    {
        var rehearsal = await Rehearsal.OnceAsync();
        var folder = Rehearsal.Folder("templates");
        var machine = (await Shell.RunAsync("dotnet nuget locals global-packages --list --force-english-output", folder)).Split("global-packages:")[1].Trim();
        await File.WriteAllTextAsync(Path.Combine(folder, "nuget.config"),
            $"""
            <configuration>
              <packageSources><clear /><add key="gallery" value="{rehearsal.Gallery}" /></packageSources>
              <fallbackPackageFolders><clear /><add key="machine" value="{machine}" /></fallbackPackageFolders>
            </configuration>
            """);
        await RunAsync($"dotnet new install Matrix.ToDevice.Templates@{Rehearsal.Version} --debug:custom-hive {folder}/hive", folder);
        return folder;
    }

    private static Regex Block(string language) => new($"```{language}\n(.*?)```", RegexOptions.Singleline);
}
