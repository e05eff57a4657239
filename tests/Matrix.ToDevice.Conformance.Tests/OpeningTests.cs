namespace Matrix.ToDevice.Tests;

/// <summary>A store that cannot be opened is told once: the first case has the story, and the others one line.</summary>
public class OpeningTests
{
    private const int Tries = 3, OneLine = 200;

    private static readonly ConformanceCase[] s_cases = [.. ConformanceKit.Cases.Where(one => one.Requires == StoreClaims.None)];

    [Test]
    public async Task A_store_that_cannot_be_opened_is_told_once_and_every_case_has_failed()
    {
        var target = new Target("throws", _ => throw new InvalidOperationException("no database", new IOException("connection refused")));

        var report = await ConformanceKit.RunAsync(target, s_cases);

        HasOneStory(report.Results, "StoreTarget.OpenAsync threw InvalidOperationException: no database (IOException: connection refused)");
        Assert.That(report.Results[0].Exception, Is.TypeOf<InvalidOperationException>());
        Assert.That(report.Results.Skip(1).Select(result => result.Exception), Is.All.Null, "a stack in each would be as long again");
        Assert.That(target.Openings, Is.EqualTo(Tries), "what cannot be opened is not waited for by every case");
        Assert.That(report.Succeeded, Is.False);
    }

    [Test]
    public async Task In_a_test_framework_each_case_has_a_target_of_its_own_and_the_story_comes_once()
    {
        var results = new List<ConformanceResult>();
        foreach (var one in s_cases)
            results.Add(await one.RunAsync(new Target("in a framework", _ => throw new InvalidOperationException("no database"))));
        var again = await s_cases[0].RunAsync(new Target("in a framework", _ => throw new InvalidOperationException("no database")));

        HasOneStory(results, "no database");
        Assert.That(again.Reason, Is.EqualTo(results[0].Reason), "the case that the others point to says it as often as it is run");
    }

    [Test]
    public async Task Cases_that_run_side_by_side_have_one_story_too()
    {
        var cases = s_cases[..20];
        var results = await Task.WhenAll(cases.Select(one =>
            Task.Run(() => one.RunAsync(new Target("side by side", _ => throw new InvalidOperationException("no database"))))));

        Assert.That(results.Count(result => result.Reason.Contains("no database")), Is.EqualTo(1));
        Assert.That(results.Select(result => result.Outcome), Is.All.EqualTo(ConformanceOutcome.Failed));
    }

    [Test]
    public async Task A_store_that_connects_when_it_is_first_used_is_told_once()
    {
        var report = await ConformanceKit.RunAsync(new Target("lazy", _ => new(new Dead(), new Dead())), s_cases);

        HasOneStory(report.Results, "IDeviceInbox.ReadAsync, the first call after StoreTarget.OpenAsync, threw NotSupportedException: no tables");
    }

    [Test]
    public async Task A_store_whose_opening_does_not_end_is_told_once()
    {
        using var never = new SemaphoreSlim(0);
        var target = new Target("hangs", _ =>
        {
            never.Wait();
            throw new InvalidOperationException();
        });

        var report = await ConformanceKit.RunAsync(target, s_cases);
        never.Release(Tries);

        HasOneStory(report.Results, "These calls have not returned: StoreTarget.OpenAsync");
        Assert.That(target.Openings, Is.EqualTo(Tries));
    }

    [Test]
    public async Task An_instance_that_lacks_what_the_target_claims_is_told_once()
    {
        var report = await ConformanceKit.RunAsync(new Target("lacks", _ => Good(), StoreClaims.Outbox), s_cases);

        HasOneStory(report.Results, "claims an outbox");
    }

    [Test]
    public async Task A_target_that_opens_nothing_is_told_once()
    {
        var report = await ConformanceKit.RunAsync(new Target("null", _ => null!), s_cases);

        HasOneStory(report.Results, "StoreTarget.OpenAsync returned null");
    }

    [Test]
    public async Task A_store_that_cannot_be_opened_now_and_then_fails_in_full_each_time()
    {
        var cases = s_cases[..12];
        var report = await ConformanceKit.RunAsync(
            new Target("now and then", opening => opening % 2 == 1 ? Good() : throw new InvalidOperationException("too many connections")), cases);

        var failed = report.Results.Where(result => result.Outcome == ConformanceOutcome.Failed).ToList();
        Assert.That(failed, Has.Count.EqualTo(cases.Length / 2));
        Assert.That(failed.Select(result => result.Reason), Is.All.Contains("too many connections").And.All.Contains("could be before"));
        Assert.That(failed.Select(result => result.Exception), Is.All.TypeOf<InvalidOperationException>());
    }

    [Test]
    public async Task A_store_that_comes_up_late_is_tried_by_all_cases_from_then_on()
    {
        var cases = s_cases[..12];
        var report = await ConformanceKit.RunAsync(
            new Target("late", opening => opening >= Tries ? Good() : throw new InvalidOperationException("starting up")), cases);

        Assert.That(report.Count(ConformanceOutcome.Failed), Is.EqualTo(Tries - 1));
        Assert.That(report.Count(ConformanceOutcome.Passed), Is.EqualTo(cases.Length - Tries + 1), report.ToString());
    }

    [Test]
    public async Task Another_failure_than_the_first_is_told_too()
    {
        var report = await ConformanceKit.RunAsync(
            new Target("another", opening => throw (opening == 2 ? new IOException("disk full") : new InvalidOperationException("no database"))), s_cases);

        Assert.That(report.Results[1].Reason, Does.Contain("disk full"));
        Assert.That(report.Results[1].Exception, Is.TypeOf<IOException>());
        Assert.That(report.Results.Count(result => result.Reason.Contains("no database")), Is.EqualTo(1));
    }

    [Test]
    public async Task Another_run_and_another_target_begin_anew()
    {
        var isUp = false;
        var target = new Target("twice", _ => isUp ? Good() : throw new InvalidOperationException("no database"));
        var before = await ConformanceKit.RunAsync(target, s_cases[..5]);
        isUp = true;
        var after = await ConformanceKit.RunAsync(target, s_cases[..5]);
        foreach (var one in s_cases[..5]) await one.RunAsync(new Target("down", _ => throw new InvalidOperationException("no database")));
        var other = await s_cases[0].RunAsync(new Target("up", _ => Good()));

        Assert.That(before.Count(ConformanceOutcome.Failed), Is.EqualTo(5));
        Assert.That(after.Count(ConformanceOutcome.Passed), Is.EqualTo(5), after.ToString());
        Assert.That(other.Outcome, Is.EqualTo(ConformanceOutcome.Passed), other.Reason);
    }

    private static void HasOneStory(IReadOnlyList<ConformanceResult> results, string story)
    {
        TestContext.Out.WriteLine($"{results[0].Reason}\n{results[1].Reason}\n{results[^1].Reason}");
        Assert.That(results.Select(result => result.Outcome), Is.All.EqualTo(ConformanceOutcome.Failed));
        Assert.That(results[0].Reason, Does.Contain(story));
        foreach (var result in results.Skip(1))
        {
            Assert.That(result.Reason, Does.Contain(results[0].Case.Name).And.Not.Contain(story).And.Not.Contain("\n"));
            Assert.That(result.Reason, Has.Length.LessThan(OneLine));
        }
    }

    private static StoreInstance Good()
    {
        var store = new ReferenceStore(new ReferenceData(), TimeProvider.System);
        return new StoreInstance(store, store);
    }

    private sealed class Target(string name, Func<int, StoreInstance> open, StoreClaims claims = StoreClaims.None) : StoreTarget
    {
        private int _openings;

        public int Openings => _openings;

        public override string Name => name;

        public override StoreClaims Claims => claims;

        public override TimeSpan TimeLimit => name == "hangs" ? TimeSpan.FromSeconds(1) : base.TimeLimit;

        public override ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken) =>
            new(open(Interlocked.Increment(ref _openings)));
    }

    /// <summary>There is a class, and nothing behind it.</summary>
    private sealed class Dead : ITransactionStore, IDeviceInbox
    {
        public long KnownRemovals => 0;

        public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken) => throw NoTables();

        public ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken) => throw NoTables();

        public ValueTask AppendAsync(IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken) => throw NoTables();

        public ValueTask<InboxPage> ReadAsync(
            DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken) => throw NoTables();

        public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) => throw NoTables();

        public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) => throw NoTables();

        private static NotSupportedException NoTables() => new("no tables");
    }
}
