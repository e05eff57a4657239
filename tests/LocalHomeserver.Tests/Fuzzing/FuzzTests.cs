using System.Globalization;

namespace LocalHomeserver.Tests;

/// <summary>
/// The long form: <c>FUZZ_INPUTS=1000000 TEST_MINUTES=60 dotnet test tests/LocalHomeserver.Tests --filter FullyQualifiedName~Fuzz --logger "console;verbosity=detailed"</c>.
/// With <c>FUZZ_SEED</c> and <c>FUZZ_FIRST</c> it begins at an input that a failure names.
/// </summary>
[TestFixture("memory", 3000, 1)]
[TestFixture("sqlite", 1000, 10, Category = "Slow")]
[TestFixture("postgresql", 1000, 10, Category = "Slow")]
internal sealed class FuzzTests(string store, int inputs, int share)
{
    [Test]
    public async Task D24_whatever_anyone_sends_everybody_is_served_and_the_next_good_message_arrives()
    {
        // The short form is the same every time; the long one finds what nobody has seen.
        var (count, seed) = Setting("FUZZ_INPUTS") is { } all
            ? (Math.Max(1, all / share), Setting("FUZZ_SEED") ?? Random.Shared.Next())
            : (inputs, Setting("FUZZ_SEED") ?? 1);
        await using var run = new FuzzRun(store, (int)seed);

        var summary = await run.RunAsync(Setting("FUZZ_FIRST") ?? 0, count);

        await TestContext.Out.WriteLineAsync($"{store}, seed {seed}: {summary}");
        Assert.That(run.Failures, Is.Empty, $"seed {seed}: {summary}\n{string.Join('\n', run.Failures)}");
    }

    private static long? Setting(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? long.Parse(value, CultureInfo.InvariantCulture) : null;
}
