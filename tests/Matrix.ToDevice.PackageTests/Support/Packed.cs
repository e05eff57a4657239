namespace Matrix.ToDevice.Tests;

/// <summary>All packages, packed once for all tests.</summary>
[SetUpFixture]
internal sealed class Packed
{
    private static string s_folder = null!;

    public static Checkout Checkout { get; private set; } = null!;

    public static string Feed { get; private set; } = null!;

    public static IReadOnlyList<Package> Packages { get; private set; } = [];

    public static Package Find(string name) => Packages.Single(package => package.Id == name);

    /// <summary>A new folder, which goes with the others.</summary>
    public static string NewFolder(string name) => Directory.CreateDirectory(Path.Combine(s_folder, name)).FullName;

    [OneTimeSetUp]
    public async Task PackAsync()
    {
        s_folder = Directory.CreateTempSubdirectory("to-device-packages-").FullName;
        // No folder above the repository says what is in it.
        Checkout = await Checkout.CreateAsync(Path.Combine(NewFolder("one more"), "src", "repository"));
        Feed = NewFolder("feed");
        await Checkout.PackAsync(Feed);
        Packages = [.. Directory.GetFiles(Feed, "*.nupkg").Order(StringComparer.Ordinal).Select(file => new Package(file))];
    }

    [OneTimeTearDown]
    public void Delete()
    {
        foreach (var file in Directory.GetFiles(s_folder, "*", SearchOption.AllDirectories)) File.SetAttributes(file, FileAttributes.Normal);
        Directory.Delete(s_folder, recursive: true);
    }
}
