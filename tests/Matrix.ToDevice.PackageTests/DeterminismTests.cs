namespace Matrix.ToDevice.Tests;

/// <summary>Who doubts a package makes it again and compares.</summary>
internal sealed class DeterminismTests
{
    private string _output = null!;

    [OneTimeSetUp]
    public async Task PackAgainAsync()
    {
        var other = await Checkout.CreateAsync(Path.Combine(Packed.NewFolder("tests"), "other"));
        await other.GitAsync("remote", "set-url", "origin", "https://github.com/somebody/a-fork.git");
        _output = Packed.NewFolder("packed again");
        await other.PackAsync(_output, environment: new()
        {
            ["CI"] = "true",
            ["TZ"] = "Pacific/Auckland",
            ["LANG"] = "de_DE.UTF-8",
            ["SOURCE_DATE_EPOCH"] = "1000000000",
        });
    }

    [Test]
    public void Packages_are_the_same_bytes_whatever_the_folder_the_remote_the_time_and_the_machine_that_makes_them()
    {
        var names = Directory.GetFiles(Packed.Feed).Select(Path.GetFileName).Order().ToList();
        Assert.That(names, Has.Count.GreaterThanOrEqualTo(12));
        Assert.That(Directory.GetFiles(_output).Select(Path.GetFileName).Order(), Is.EqualTo(names));
        foreach (var name in names)
        {
            Assert.That(
                File.ReadAllBytes(Path.Combine(_output, name!)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(Packed.Feed, name!))), name);
        }
    }
}
