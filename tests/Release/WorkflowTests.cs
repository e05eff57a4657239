using System.Text.RegularExpressions;

namespace Release;

/// <summary>Rules of this house about workflows. Whether GitHub takes them is looked at in tests/Workflows.</summary>
public class WorkflowTests
{
    private static IEnumerable<Workflow> Workflows => Workflow.All;

    private static IEnumerable<Job> Jobs => Workflow.All.SelectMany(workflow => workflow.Jobs);

    private static IEnumerable<Step> Steps => Jobs.SelectMany(job => job.Steps);

    private static IEnumerable<Step> Scripts => Steps.Where(step => step.Run is not null);

    private static IEnumerable<Step> Checkouts => Steps.Where(step => step.Action == "actions/checkout");

    [TestCaseSource(nameof(Workflows))]
    public void Every_action_is_pinned_by_its_commit_with_its_version_beside_it(object workflow)
    {
        var lines = File.ReadAllLines(Repository.PathOf($".github/workflows/{workflow}")).Where(line => Regex.IsMatch(line, @"^\s*(- )?uses:")).ToList();

        Assert.That(lines, Is.Not.Empty);
        Assert.That(lines, Has.All.Matches<string>(line => Regex.IsMatch(line, @"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")));
    }

    [Test]
    public void One_action_is_one_version_everywhere() => Assert.That(
        Steps.Where(step => step.Uses is not null).GroupBy(step => step.Action, step => step.Uses),
        Has.All.Matches<IGrouping<string, string>>(uses => uses.Distinct().Count() == 1));

    [TestCaseSource(nameof(Workflows))]
    public void A_workflow_may_nothing_by_itself(object workflow) => Assert.That(
        ((Workflow)workflow).Root.Map("permissions")?.Children, Is.Empty, "permissions: {}");

    [TestCase("ci.yml, everything", "contents: read")]
    [TestCase("ci.yml, fast", "contents: read")]
    [TestCase("specification.yml, today", "contents: read")]
    [TestCase("release.yml, test", "contents: read")]
    [TestCase("release.yml, build", "contents: read")]
    [TestCase("release.yml, attest", "attestations: write, id-token: write")]
    [TestCase("release.yml, publish", "contents: read, id-token: write")]
    [TestCase("release.yml, announce", "contents: write")]
    public void A_job_may_do_what_it_needs_and_no_more(string job, string permissions) => Assert.That(
        string.Join(", ", Jobs.Single(one => one.ToString() == job).Permissions.OrderBy(one => one.Key).Select(one => $"{one.Key}: {one.Value}")),
        Is.EqualTo(permissions));

    [Test]
    public void Every_job_is_looked_at() => Assert.That(Jobs.Count(), Is.EqualTo(8));

    /// <summary>Tests, tools and packages of others run where there is nothing to take.</summary>
    [TestCaseSource(nameof(Jobs))]
    public void A_job_that_may_write_has_nothing_of_the_repository(object job)
    {
        var (permissions, steps) = (((Job)job).Permissions, ((Job)job).Steps);
        if (!permissions.Values.Contains("write")) return;

        Assert.That(steps.Select(step => step.Action), Has.None.EqualTo("actions/checkout"));
        Assert.That(steps.Select(step => step.Run ?? ""), Has.None.Contains("./").And.None.Contains("dotnet tool"));
    }

    [TestCaseSource(nameof(Jobs))]
    public void A_job_ends(object job) => Assert.That(((Job)job).Node.Text("timeout-minutes"), Does.Match(@"^\d{1,3}$"));

    /// <summary>What others write (a title, a branch) would be a part of the script: it goes through the environment.</summary>
    [TestCaseSource(nameof(Scripts))]
    public void A_script_is_what_stands_there(object step) => Assert.That(((Step)step).Run, Does.Not.Contain("${{"));

    [TestCaseSource(nameof(Scripts))]
    public void A_script_is_short(object step) => Assert.That(((Step)step).Run!.Trim().Count(character => character == '\n'), Is.LessThan(3));

    [TestCaseSource(nameof(Checkouts))]
    public void A_checkout_leaves_no_token_behind(object step) => Assert.That(((Step)step).With["persist-credentials"], Is.EqualTo("false"));

    [Test]
    public void No_workflow_has_a_secret() => Assert.That(
        Workflow.All.Select(workflow => File.ReadAllText(Repository.PathOf($".github/workflows/{workflow}"))), Has.None.Contains("secrets."));

    [Test]
    public void What_is_published_was_built_tested_and_attested()
    {
        var jobs = Workflow.Release.Jobs.ToDictionary(job => job.Id);

        Assert.That(jobs["test"].Steps.Select(step => step.Run), Has.One.EqualTo("./test.sh"));
        Assert.That(jobs["build"].Needs, Is.EqualTo(new[] { "test" }));
        // Whatever came with the tests has been on another machine.
        Assert.That(jobs["build"].Steps.Select(step => step.Run ?? ""), Has.None.Contains("./").And.None.Contains("npm"));
        Assert.That(jobs["attest"].Needs, Is.EqualTo(new[] { "build" }));
        Assert.That(jobs["publish"].Needs, Is.EqualTo(new[] { "attest" }));
        Assert.That(jobs["announce"].Needs, Is.EqualTo(new[] { "publish" }));
        Assert.That(jobs["publish"].Node.Map("environment")!.Text("name"), Is.EqualTo("nuget"));
        Assert.That(Workflow.Release.Root.Map("on")!.Map("push")!.List("tags"), Is.EqualTo(new[] { "v*" }));
    }

    /// <summary>A job that failed half-way is run again, and what is there already must not end it. A gallery that is a folder would not.</summary>
    [Test]
    public void Publishing_can_be_repeated() => Assert.That(
        Workflow.Release.Jobs.Single(job => job.Id == "publish").Steps.Single(step => step.Node.Text("name") == "Push").Run, Does.Contain("--skip-duplicate"));

    [Test]
    public void The_fast_tests_are_of_projects_that_there_are()
    {
        var test = Jobs.Single(job => job.ToString() == "ci.yml, fast").Steps.Single(step => step.Node.Text("name") == "Test").Run!;
        var dlls = Regex.Matches(test, @"\S+\.dll").Select(match => match.Value).ToList();

        Assert.That(dlls, Is.Not.Empty);
        foreach (var dll in dlls)
        {
            var name = Path.GetFileNameWithoutExtension(dll);
            Assert.That(dll, Is.EqualTo($"tests/{name}/bin/Release/net10.0/{name}.dll"));
            Assert.That(File.Exists(Repository.PathOf($"tests/{name}/{name}.csproj")), dll);
        }
    }
}
