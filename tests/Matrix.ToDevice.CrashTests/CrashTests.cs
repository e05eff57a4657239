using System.Globalization;

namespace Matrix.ToDevice.Tests;

/// <summary>The long form: <c>CRASH_KILLS=100 dotnet test tests/Matrix.ToDevice.CrashTests --logger "console;verbosity=detailed"</c>.</summary>
public class CrashTests
{
    [Test, Category("Slow")]
    public async Task D4_D12_a_host_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing()
    {
        var kills = int.Parse(Environment.GetEnvironmentVariable("CRASH_KILLS") ?? "12", CultureInfo.InvariantCulture);
        var seed = Random.Shared.Next();
        var data = Directory.CreateTempSubdirectory("todevice-crash-");
        try
        {
            var summary = await new CrashRun(data.FullName, seed).RunAsync(kills);

            await TestContext.Out.WriteLineAsync($"SQLite, seed {seed}: {summary}");
            Assert.That(summary.Result.IsClean, $"seed {seed}: {summary}");
            Assert.That(summary.Delivered, Is.GreaterThan(kills), "there was load");
            Assert.That(summary.Refused, Is.Positive, "and some of it had to be refused");
        }
        finally
        {
            data.Delete(recursive: true);
        }
    }
}
