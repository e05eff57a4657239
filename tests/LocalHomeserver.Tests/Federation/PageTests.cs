using System.Reflection;
using Matrix.ToDevice;

namespace LocalHomeserver.Tests;

/// <summary>docs/federation.md and docs/appservices.md give the times that there are.</summary>
internal sealed partial class PageTests
{
    private static readonly string s_repository = typeof(PageTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(metadata => metadata.Key == "Repository").Value!;

    private static readonly string s_page = Read("docs/federation.md");

    [Test]
    public void The_times_of_the_page_are_the_defaults()
    {
        var sending = new FederationSenderOptions();
        string[] said =
        [
            $"`{nameof(sending.MinPause)}` ({sending.MinPause.TotalSeconds} s)",
            $"`{nameof(sending.MaxPause)}` ({sending.MaxPause.TotalMinutes} min)",
            $"`{nameof(sending.LeaseDuration)}` ({sending.LeaseDuration.TotalSeconds} s)",
            $"`{nameof(SendToDeviceOptions.InboundRetention)}` ({new SendToDeviceOptions().InboundRetention.TotalDays} days",
        ];
        foreach (var time in said) Assert.That(s_page, Does.Contain(time));
        Assert.That(sending.Expiry, Is.Null);
    }

    [Test]
    public void The_times_of_the_page_on_appservices_are_the_defaults()
    {
        var sending = new AppserviceOptions();
        string[] said =
        [
            $"`{nameof(sending.MinPause)}` ({sending.MinPause.TotalSeconds} s)",
            $"`{nameof(sending.MaxPause)}` ({sending.MaxPause.TotalMinutes} min)",
            $"`{nameof(sending.LeaseDuration)}` ({sending.LeaseDuration.TotalSeconds} s)",
        ];
        foreach (var time in said) Assert.That(Read("docs/appservices.md"), Does.Contain(time));
        Assert.That(sending.Expiry, Is.Null);
    }

    private static string Read(string file) => File.ReadAllText(Path.Combine(s_repository, file));
}
