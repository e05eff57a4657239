using System.Threading.RateLimiting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests.Limits;

/// <summary>How much one user may send.</summary>
public class SenderRateTests
{
    private readonly ManualTime _time = new();

    [Test]
    public async Task R13_D14_a_sender_beyond_the_limit_gets_M_LIMIT_EXCEEDED_and_uses_up_no_transaction()
    {
        await using var server = await StartAsync(limits => limits.Senders = new RateLimit { Burst = 2, PerSecond = 0.4 });
        var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
        (await alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""")).ShouldBeAccepted();
        (await alice.SendAsync("t2", "@bob:hs1", "B1", """{"n":2}""")).ShouldBeAccepted();

        var refused = await alice.SendAsync("t3", "@bob:hs1", "B1", """{"n":3}""");

        refused.ShouldBe(429, "M_LIMIT_EXCEEDED");
        Assert.That(refused.Headers["Retry-After"], Is.EqualTo("3"));
        Assert.That((int?)refused.Json["retry_after_ms"], Is.EqualTo(2500));
        // Another device of hers has no other bucket, and another user has one.
        (await server.Login("@alice:hs1", "A2").SendAsync("t3", "@bob:hs1", "B1")).ShouldBe(429, "M_LIMIT_EXCEEDED");
        (await bob.SendAsync("t3", "@bob:hs1", "B1", """{"n":4}""")).ShouldBeAccepted();
        _time.Advance(TimeSpan.FromMilliseconds(2500));
        (await alice.SendAsync("t3", "@bob:hs1", "B1", """{"n":3}""")).ShouldBeAccepted();
        (await alice.SendAsync("t4", "@bob:hs1", "B1", """{"n":5}""")).ShouldBe(429, "M_LIMIT_EXCEEDED");
        Assert.That((await bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""", """{"n":2}""", """{"n":4}""", """{"n":3}""" }));
    }

    [Test]
    public async Task D14_a_bucket_never_holds_more_than_its_burst()
    {
        await using var server = await StartAsync(limits => limits.Senders = new RateLimit { Burst = 2, PerSecond = 1 });
        var alice = server.Login("@alice:hs1", "A1");
        await alice.SendAsync("t0", "@bob:hs1", "B1");
        _time.Advance(TimeSpan.FromHours(1));

        var answers = new List<int>();
        for (var n = 1; n <= 3; n++) answers.Add((await alice.SendAsync($"t{n}", "@bob:hs1", "B1")).Status);

        Assert.That(answers, Is.EqualTo(new[] { 200, 200, 429 }));
    }

    [Test]
    public async Task D14_a_retry_of_what_was_committed_is_answered_200_whatever_the_limit_says()
    {
        await using var server = await StartAsync(limits => limits.Senders = new RateLimit { Burst = 1, PerSecond = 0.001 }, UpkeepStore.Add);
        var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That(UpkeepStore.Of(server).Asked, Is.Zero, "it is asked on the way of a refusal alone");

        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        (await alice.SendAsync("t2", "@bob:hs1", "B1")).ShouldBe(429, "M_LIMIT_EXCEEDED");

        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D14_where_the_store_does_not_tell_a_later_retry_gets_its_200()
    {
        await using var server = await StartAsync(limits => limits.Senders = new RateLimit { Burst = 1, PerSecond = 1 }, builder =>
        {
            HookedStore.Add(builder);
            builder.Services.RemoveAll<IStoreUpkeep>();
        });
        var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(429, "M_LIMIT_EXCEEDED");
        _time.Advance(TimeSpan.FromSeconds(1));

        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D14_a_limiter_of_the_host_knows_who_sends_and_gets_its_leases_back()
    {
        await using var limiter = new Appservices();
        await using var server = await TestHomeserver.StartAsync(builder => builder.LimitRates(limiter));
        var bridge = server.Login(AuthResult.Success(new Requester("@bridge:hs1", "D1") { IsAppservice = true }));
        server.Login("@bob:hs1", "B1");

        (await bridge.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        (await bridge.SendAsync("t2", "@bob:hs1", "B1", "[]")).ShouldBe(400, "M_BAD_JSON");
        var refused = await server.Login("@alice:hs1", "A1").SendAsync("t1", "@bob:hs1", "B1");

        refused.ShouldBe(429, "M_LIMIT_EXCEEDED");
        Assert.That(refused.Headers["Retry-After"], Is.EqualTo("1"), "it does not tell");
        Assert.That(limiter.Held, Is.Zero);
    }

    private Task<TestHomeserver> StartAsync(Action<RateLimitOptions> limits, Action<ISendToDeviceBuilder>? more = null) =>
        TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(_time);
            builder.LimitRates(limits);
            more?.Invoke(builder);
        });

    /// <summary>Lets appservices alone pass.</summary>
    private sealed class Appservices : PartitionedRateLimiter<Requester>
    {
        public int Held { get; private set; }

        public override RateLimiterStatistics? GetStatistics(Requester resource) => null;

        protected override RateLimitLease AttemptAcquireCore(Requester resource, int permitCount)
        {
            Held++;
            return new Lease(this, resource.IsAppservice);
        }

        protected override ValueTask<RateLimitLease> AcquireAsyncCore(Requester resource, int permitCount, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        private sealed class Lease(Appservices limiter, bool isAcquired) : RateLimitLease
        {
            public override bool IsAcquired => isAcquired;
            public override IEnumerable<string> MetadataNames => [];

            public override bool TryGetMetadata(string metadataName, out object? metadata)
            {
                metadata = null;
                return false;
            }

            protected override void Dispose(bool disposing)
            {
                limiter.Held--;
                base.Dispose(disposing);
            }
        }
    }
}
