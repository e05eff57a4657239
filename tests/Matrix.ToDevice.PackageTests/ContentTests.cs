using System.Buffers.Binary;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text;
using System.Text.RegularExpressions;

namespace Matrix.ToDevice.Tests;

/// <summary>What is in the packages, and what they say of themselves.</summary>
internal sealed class ContentTests
{
    private const string Approved = "tests/Matrix.ToDevice.PackageTests/packages.approved.txt";

    [Test]
    public void Files_and_dependencies_are_the_approved_ones()
    {
        var received = new StringBuilder();
        foreach (var package in Packed.Packages)
        {
            received.Append(package.Id).Append('\n');
            foreach (var name in package.Files) received.Append("  ").Append(name).Append('\n');
            foreach (var name in package.Symbols?.Files ?? []) received.Append("  symbols: ").Append(name).Append('\n');
            foreach (var dependency in package.Dependencies) received.Append("  needs ").Append(dependency).Append('\n');
        }

        var file = Path.Combine(AppContext.BaseDirectory, "packages.received.txt");
        File.WriteAllText(file, received.ToString());
        Assert.That(
            received.ToString().Split('\n'), Is.EqualTo(File.ReadAllLines(Path.Combine(Repository.Folder, Approved)).Append("")),
            $"If that is meant: cp {file} {Approved}");
    }

    [Test]
    public void Every_package_says_what_it_is_and_under_what_licence()
    {
        Assert.That(Packed.Packages, Is.Not.Empty);
        foreach (var package in Packed.Packages)
        {
            Assert.That(package["version"], Is.EqualTo(Checkout.Version), package.Id);
            Assert.That((package["license"], package["license", "type"]), Is.EqualTo(("MIT", "expression")), package.Id);
            Assert.That(package["authors"], Is.EqualTo("The Matrix.ToDevice contributors"), package.Id);
            Assert.That(package["description"], Has.Length.GreaterThan(40), package.Id);
            Assert.That(package["tags"], Does.Contain("matrix"), package.Id);
        }

        Assert.That(Packed.Packages.Select(package => package["description"]), Is.Unique);
    }

    [Test]
    public void The_version_stands_in_one_file()
    {
        var files = Directory.GetFiles(Packed.Checkout.Folder, "*.*proj", SearchOption.AllDirectories)
            .Concat(Directory.GetFiles(Packed.Checkout.Folder, "Directory.*", SearchOption.AllDirectories))
            .Where(file => Regex.IsMatch(File.ReadAllText(file), "<(Package|Assembly|File|Informational)?Version(Prefix|Suffix)?(>| Condition)"));

        Assert.That(files.Select(Path.GetFileName), Is.EqualTo(new[] { "Directory.Build.props" }));
    }

    [Test]
    public void Every_package_has_the_icon_and_a_page_of_its_own()
    {
        foreach (var package in Packed.Packages)
        {
            var icon = package.Bytes(package["icon"]!);
            Assert.That(Encoding.ASCII.GetString(icon, 1, 3), Is.EqualTo("PNG"), package.Id);
            var (width, height) = (BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(20)));
            Assert.That((width, height), Is.EqualTo((128, 128)), package.Id);
            var page = package.Text(package["readme"]!);
            Assert.That(page, Does.StartWith($"# {package.Id}\n"), package.Id);
            Assert.That(page, Does.Not.Match(@"\]\((?!https://)"), "where the page is shown, there is no file of the repository");
        }
    }

    [Test]
    public async Task Every_package_names_its_commit_and_no_address_that_nobody_has_given()
    {
        var commit = (await Packed.Checkout.GitAsync("rev-parse", "HEAD")).Trim();
        foreach (var package in Packed.Packages)
        {
            Assert.That(package["repository", "commit"], Is.EqualTo(commit), package.Id);
            Assert.That((package["repository", "url"], package["projectUrl"]), Is.EqualTo(((string?)null, (string?)null)), package.Id);
        }
    }

    [Test]
    public void Symbols_are_those_of_the_assembly()
    {
        foreach (var package in Packed.Packages.Where(package => package.IsLibrary))
        {
            using var assembly = new PEReader(new MemoryStream(package.Bytes(package.Library("dll"))));
            var link = assembly.ReadDebugDirectory().Single(entry => entry.Type == DebugDirectoryEntryType.CodeView);
            using var symbols = MetadataReaderProvider.FromPortablePdbStream(new MemoryStream(package.Symbols!.Bytes(package.Library("pdb"))));

            var id = new BlobContentId(symbols.GetMetadataReader().DebugMetadataHeader!.Id);

            Assert.That((id.Guid, id.Stamp), Is.EqualTo((assembly.ReadCodeViewDebugDirectoryData(link).Guid, link.Stamp)), package.Id);
        }
    }
}
