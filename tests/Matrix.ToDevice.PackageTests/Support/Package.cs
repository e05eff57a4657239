using System.IO.Compression;
using System.Xml.Linq;

namespace Matrix.ToDevice.Tests;

/// <summary>An open package: its own words about itself, and its files.</summary>
internal sealed class Package
{
    // The container's own, the same in every package.
    private static readonly string[] s_container = ["_rels/.rels", "[Content_Types].xml", "package/services/metadata/core-properties/nuget.psmdcp"];

    private readonly Dictionary<string, byte[]> _files;
    private readonly XElement _metadata;

    public Package(string file)
    {
        using var zip = ZipFile.OpenRead(file);
        _files = zip.Entries.ToDictionary(entry => entry.FullName, Read);
        var nuspec = XDocument.Parse(Text(Files.Single(name => name.EndsWith(".nuspec", StringComparison.Ordinal))));
        _metadata = nuspec.Root!.Elements().Single();
        Symbols = File.Exists(Path.ChangeExtension(file, ".snupkg")) && file.EndsWith(".nupkg", StringComparison.Ordinal)
            ? new Package(Path.ChangeExtension(file, ".snupkg")) : null;
    }

    public string Id => this["id"]!;

    /// <summary>Whether it brings an assembly to compile against; templates and tools do not.</summary>
    public bool IsLibrary => _files.ContainsKey(Library("dll"));

    public Package? Symbols { get; }

    public IEnumerable<string> Files => _files.Keys.Except(s_container).Order(StringComparer.Ordinal);

    public IEnumerable<string> Dependencies => Elements("dependency")
        .Select(dependency => $"{dependency.Attribute("id")!.Value} {dependency.Attribute("version")!.Value}").Order(StringComparer.Ordinal);

    public string? this[string name] => Elements(name).SingleOrDefault()?.Value;

    public string? this[string name, string attribute] => Elements(name).Single().Attribute(attribute)?.Value;

    public string Library(string extension) => $"lib/net10.0/{Id}.{extension}";

    public byte[] Bytes(string file) => _files[file];

    public string Text(string file) => new StreamReader(new MemoryStream(_files[file])).ReadToEnd();

    public override string ToString() => Id;

    private IEnumerable<XElement> Elements(string name) => _metadata.Descendants().Where(element => element.Name.LocalName == name);

    private static byte[] Read(ZipArchiveEntry entry)
    {
        using var stream = entry.Open();
        var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
