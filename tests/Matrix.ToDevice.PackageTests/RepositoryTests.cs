using System.Reflection.Metadata;
using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>With an address of the repository, packages and symbols lead to the sources that they were made of.</summary>
internal sealed class RepositoryTests
{
    private const string Project = "src/Matrix.ToDevice.Abstractions/Matrix.ToDevice.Abstractions.csproj";
    private static readonly Guid s_sourceLink = new("CC110556-A091-4D38-9FEC-25AB9A351A6A");
    private static readonly Guid s_embeddedSource = new("0E8A571B-6926-466E-B4AD-8AB04611F5FE");

    [Test]
    public async Task The_job_that_publishes_says_where_the_sources_are()
    {
        var output = Packed.NewFolder("with an address");
        await Packed.Checkout.PackAsync(
            output, Project, new() { ["GITHUB_SERVER_URL"] = "https://github.com", ["GITHUB_REPOSITORY"] = "owner/repository" });

        var package = new Package(Directory.GetFiles(output, "*.nupkg").Single());
        Assert.That(
            (package["repository", "type"], package["repository", "url"], package["projectUrl"]),
            Is.EqualTo(("git", "https://github.com/owner/repository", "https://github.com/owner/repository")));

        using var symbols = MetadataReaderProvider.FromPortablePdbStream(new MemoryStream(package.Symbols!.Bytes(package.Library("pdb"))));
        var reader = symbols.GetMetadataReader();
        using var link = JsonDocument.Parse(Information(reader, EntityHandle.ModuleDefinition, s_sourceLink)!);
        var sources = link.RootElement.GetProperty("documents").EnumerateObject().Single();
        var commit = package["repository", "commit"];
        Assert.That(sources.Value.GetString(), Is.EqualTo($"https://raw.githubusercontent.com/owner/repository/{commit}/*"));
        foreach (var handle in reader.Documents)
        {
            var name = reader.GetString(reader.GetDocument(handle).Name);
            Assert.That(name, Does.StartWith(sources.Name.TrimEnd('*')));
            var file = Path.Combine(Packed.Checkout.Folder, name[sources.Name.TrimEnd('*').Length..]);
            var isInRepository = !name.Contains("/obj/", StringComparison.Ordinal);
            Assert.That(isInRepository ? File.Exists(file) : Information(reader, handle, s_embeddedSource) is not null, name);
        }
    }

    [Test]
    public async Task Or_whoever_packs_does()
    {
        var said = await CommandLine.RunAsync(CommandLine.Of(
            Packed.Checkout.Folder, "dotnet", "msbuild", Project, "-getProperty:PackageProjectUrl", "-p:RepositoryUrl=https://example.org/elsewhere"));

        Assert.That(said.Trim(), Is.EqualTo("https://example.org/elsewhere"));
    }

    private static byte[]? Information(MetadataReader reader, EntityHandle of, Guid kind) => reader.GetCustomDebugInformation(of)
        .Select(reader.GetCustomDebugInformation)
        .Where(information => reader.GetGuid(information.Kind) == kind)
        .Select(information => reader.GetBlobBytes(information.Value)).SingleOrDefault();
}
