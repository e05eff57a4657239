using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace LocalHomeserver.Tests;

/// <summary>The alert rules hold: promtool says so, and each tells where it is written what to do.</summary>
internal sealed partial class RuleTests
{
    [TestCase("check", "rules", "alerts.yml")]
    [TestCase("test", "rules", "alerts.test.yml")]
    public async Task Promtool_finds_nothing_wrong(string command, string what, string file)
    {
        RequiredPrometheus.Programs();
        using var promtool = Process.Start(new ProcessStartInfo("promtool", [command, what, file])
        {
            WorkingDirectory = OpsFiles.Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var errors = promtool.StandardError.ReadToEndAsync();
        var output = await promtool.StandardOutput.ReadToEndAsync();
        await promtool.WaitForExitAsync();
        Assert.That(promtool.ExitCode, Is.Zero, output + await errors);
        await TestContext.Out.WriteLineAsync(output);
    }

    [Test]
    public void Every_alert_has_a_test_that_it_fires_and_one_that_it_does_not()
    {
        var tests = File.ReadAllText(Path.Combine(OpsFiles.Folder, "alerts.test.yml"));
        var alerts = Alert().Matches(OpsFiles.Alerts).Select(alert => alert.Groups[1].Value).ToList();
        Assert.That(alerts, Is.Not.Empty.And.Unique);
        foreach (var alert in alerts)
        {
            var tested = Tested().Matches(tests).Where(test => test.Groups[1].Value == alert).Select(test => test.Groups[2].Value.Trim() == "[]").ToList();
            Assert.That(tested, Does.Contain(true).And.Contain(false), alert);
        }
    }

    [Test]
    public void Every_alert_says_what_it_is_and_where_it_is_written_what_to_do()
    {
        var rules = Alert().Split(OpsFiles.Alerts).Skip(1).Chunk(2).ToList();
        Assert.That(rules, Is.Not.Empty);
        foreach (var rule in rules)
        {
            Assert.That(rule[1], Does.Contain("summary: ").And.Contain("severity: "), rule[0]);
            var section = Runbook().Match(rule[1]);
            Assert.That(section.Success && MonitoringPage.Anchors.Contains(section.Groups[1].Value), Is.True, $"{rule[0]}: {section.Groups[1].Value}");
        }
    }

    [Test]
    public void The_dashboard_is_one_that_Grafana_can_import()
    {
        var dashboard = JsonDocument.Parse(OpsFiles.Dashboard).RootElement;
        Assert.That((dashboard.String("title"), dashboard.String("uid")), Is.EqualTo(("Matrix.ToDevice", "matrix-to-device")));
        var panels = dashboard.GetProperty("panels").EnumerateArray().Where(panel => panel.String("type") != "row").ToList();
        Assert.That(panels.Select(panel => panel.GetProperty("id").GetInt32()), Is.Unique);
        foreach (var panel in panels)
        {
            Assert.That(panel.GetProperty("datasource").String("uid"), Is.EqualTo("${datasource}"), panel.String("title"));
            Assert.That(panel.String("description"), Is.Not.Empty, panel.String("title"));
            foreach (var target in panel.GetProperty("targets").EnumerateArray()) Assert.That(target.String("expr"), Does.Contain("job=~\"$job\""));
        }
    }

    [GeneratedRegex(@"(?m)^ *- alert: (\w+)$")]
    private static partial Regex Alert();

    [GeneratedRegex(@"alertname: (\w+)\s+exp_alerts:(.*)")]
    private static partial Regex Tested();

    [GeneratedRegex(@"runbook: docs/monitoring\.md#([\w-]+)")]
    private static partial Regex Runbook();
}
