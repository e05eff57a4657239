using System.Runtime.CompilerServices;

namespace Matrix.ToDevice.Tests;

/// <summary>How runs end: nothing passes silently.</summary>
public class ReportTests
{
    private static readonly ConformanceCase s_case = ConformanceKit.Cases[0];

    [Test]
    public async Task A_run_of_nothing_does_not_succeed()
    {
        var report = await ConformanceKit.RunAsync(new ReferenceTarget(), []);

        Assert.That(report.Succeeded, Is.False);
        Assert.That(report.ToString(), Does.Contain("nothing was tried"));
    }

    [Test]
    public async Task A_case_that_needs_what_is_not_claimed_is_not_run_and_says_so()
    {
        var target = new Target(() => throw new InvalidOperationException("not to be opened"));
        var restart = ConformanceKit.Cases.First(one => one.Requires == (StoreClaims.Durable | StoreClaims.Outbox));

        var report = await ConformanceKit.RunAsync(target, [restart]);

        var result = report.Results.Single();
        Assert.That(result.Outcome, Is.EqualTo(ConformanceOutcome.NotClaimed));
        Assert.That(result.Reason, Does.Contain("Outbox, Durable"));
        Assert.That(result.ThrowIfFailed, Throws.Nothing);
        Assert.That(report.ToString(), Does.Contain($"not claimed  {restart.Name}"));
        Assert.That(report.Succeeded, Is.False, "nothing was tried");
        Assert.That(ConformanceKit.CasesFor(target), Is.EqualTo(ConformanceKit.Cases.Where(one => one.Requires == StoreClaims.None)));
    }

    [Test]
    public async Task A_failure_is_in_the_table_with_its_reason()
    {
        var report = await ConformanceKit.RunAsync(new ReferenceTarget(Fault.ForgetsRecords), [s_case, .. ConformanceKit.Cases.TakeLast(1)]);

        Assert.That(report.Succeeded, Is.False);
        Assert.That(report.ToString(), Does.Contain($"FAILED       {s_case.Name}\n               {report.Results[0].Reason}\n"));
        Assert.That(report.ToString(), Does.EndWith("ForgetsRecords: 1 passed, 1 failed, 0 not claimed"));
    }

    [Test]
    public async Task A_store_that_throws_has_failed_and_its_exception_is_kept()
    {
        var result = await s_case.RunAsync(new Target(() => throw new InvalidOperationException("no database")));

        Assert.That(result.Outcome, Is.EqualTo(ConformanceOutcome.Failed));
        Assert.That(result.Reason, Does.Contain("StoreTarget.OpenAsync").And.Contain("no database"));
        Assert.That(result.Exception, Is.TypeOf<InvalidOperationException>());
    }

    [Test]
    public async Task A_store_that_blocks_its_caller_has_failed_and_the_call_is_named()
    {
        using var never = new SemaphoreSlim(0);
        var result = await s_case.RunAsync(new Target(() =>
        {
            never.Wait();
            throw new InvalidOperationException();
        }));
        never.Release();

        Assert.That(result.Outcome, Is.EqualTo(ConformanceOutcome.Failed));
        Assert.That(result.Reason, Does.Contain("did not end within").And.Contain("StoreTarget.OpenAsync"));
    }

    [Test]
    public async Task A_store_that_does_not_close_has_failed()
    {
        using var never = new SemaphoreSlim(0);
        var store = new ReferenceStore(new ReferenceData(), TimeProvider.System);

        var result = await s_case.RunAsync(new Target(() => new StoreInstance(store, store, null, new Closing(never.Wait))));
        never.Release();

        Assert.That(result.Outcome, Is.EqualTo(ConformanceOutcome.Failed));
        Assert.That(result.Reason, Does.Contain("did not end within").And.Contain("Closing the store"));
    }

    [Test]
    public async Task A_store_that_claims_an_outbox_and_has_none_has_failed()
    {
        var store = new ReferenceStore(new ReferenceData(), TimeProvider.System);

        var result = await s_case.RunAsync(new Target(() => new StoreInstance(store, store), StoreClaims.Outbox));

        Assert.That(result.Reason, Does.Contain("claims an outbox"));
    }

    [Test]
    public void A_run_that_is_cancelled_has_no_result()
    {
        var cancelled = new CancellationToken(canceled: true);

        Assert.That(async () => await s_case.RunAsync(new ReferenceTarget(), cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await ConformanceKit.RunAsync(new ReferenceTarget(), cancelled), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void A_run_that_is_cancelled_on_its_way_closes_its_stores()
    {
        using var cancel = new CancellationTokenSource();
        var closed = 0;
        var target = new Target(() =>
        {
            cancel.Cancel();
            var store = new ReferenceStore(new ReferenceData(), TimeProvider.System);
            return new StoreInstance(store, store, null, new Closing(() => closed++));
        });

        Assert.That(async () => await s_case.RunAsync(target, cancel.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That((closed, target.Deleted), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task Stores_are_closed_and_their_data_deleted_whether_a_case_passes_or_fails()
    {
        foreach (var claims in (StoreClaims[])[StoreClaims.None, StoreClaims.Outbox])
        {
            var closed = 0;
            var target = new Target(Open, claims);
            var result = await s_case.RunAsync(target);

            Assert.That(result.Outcome, Is.EqualTo(claims == StoreClaims.None ? ConformanceOutcome.Passed : ConformanceOutcome.Failed), result.Reason);
            Assert.That((closed, target.Deleted), Is.EqualTo((1, 1)));

            StoreInstance Open()
            {
                var store = new ReferenceStore(new ReferenceData(), TimeProvider.System);
                return new StoreInstance(store, store, null, new Closing(() => closed++));
            }
        }
    }

    private sealed class Closing(Action close) : IDisposable
    {
        public void Dispose() => close();
    }

    private sealed class Target(Func<StoreInstance> open, StoreClaims claims = StoreClaims.None, [CallerMemberName] string name = "") : StoreTarget
    {
        public override string Name => $"{name} {claims}";

        public int Deleted { get; private set; }

        public override StoreClaims Claims => claims;

        public override TimeSpan TimeLimit => TimeSpan.FromSeconds(1);

        public override ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken) => new(open());

        public override ValueTask DeleteAsync(string data, CancellationToken cancellationToken)
        {
            Deleted++;
            return ValueTask.CompletedTask;
        }
    }
}
