using System.Reflection;
using Matrix.ToDevice;
using PublicApiGenerator;

namespace Adoption;

/// <summary>
/// What adopters compile against is what the approved files say, so that nobody changes it without seeing that (decision 015). A change that
/// is meant: copy the .received.txt beside the tests over the .approved.txt.
/// </summary>
internal sealed class PublicApiTests
{
    private static readonly string s_repository = typeof(PublicApiTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First().Value!;

    private static readonly Assembly[] s_packages =
    [
        typeof(IDeviceInbox).Assembly,
        typeof(ToDeviceSync).Assembly,
        typeof(SqliteStoreOptions).Assembly,
        typeof(PostgreSqlStoreOptions).Assembly,
        typeof(Microsoft.EntityFrameworkCore.ToDeviceModelBuilderExtensions).Assembly,
        typeof(ConformanceKit).Assembly,
    ];

    private static IEnumerable<string> Names => s_packages.Select(package => package.GetName().Name!);

    [TestCaseSource(nameof(Names))]
    public void The_public_API_is_the_approved_one(string package)
    {
        var received = s_packages.Single(one => one.GetName().Name == package)
            .GeneratePublicApi(new ApiGeneratorOptions { IncludeAssemblyAttributes = false, DenyNamespacePrefixes = [] }).ReplaceLineEndings("\n") + "\n";
        var approved = Path.Combine(s_repository, "tests", "Adoption", "PublicApi", $"{package}.approved.txt");

        var expected = File.Exists(approved) ? File.ReadAllText(approved) : "";
        if (received == expected) return;

        var file = Path.Combine(AppContext.BaseDirectory, $"{package}.received.txt");
        File.WriteAllText(file, received);
        Assert.That(received.Split('\n'), Is.EqualTo(expected.Split('\n')), $"If that is meant: cp {file} {approved}");
    }

    /// <summary>Those that have an API: of the templates nothing is compiled, and what is shared is compiled into others.</summary>
    [Test]
    public void All_packages_are_looked_at() => Assert.That(
        Names, Is.EquivalentTo(Directory.GetDirectories(Path.Combine(s_repository, "src")).Select(Path.GetFileName).Except(["Matrix.ToDevice.Templates", "Matrix.ToDevice.Tool", "Shared"])));
}
