using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>ASP.NET Core's rate limiter in front of the endpoint.</summary>
public class RateLimitTests
{
    private const string Policy = "one at a time";
    private const string HostsPath = "/host";

    [Test]
    public async Task R13_D14_a_rejection_is_M_LIMIT_EXCEEDED_and_uses_up_no_transaction()
    {
        using var limiter = new Limiter { RetryAfter = TimeSpan.FromMilliseconds(2500) };
        await using var server = await StartAsync(limiter, app => app.MapSendToDevice().RequireRateLimiting(Policy));
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");

        limiter.Rejects = true;
        var rejected = await alice.SendAsync("t1", "@bob:hs1", "B1");
        rejected.ShouldBe(429, "M_LIMIT_EXCEEDED");
        Assert.That(rejected.Headers["Retry-After"], Is.EqualTo("3"));
        Assert.That((int?)rejected.Json["retry_after_ms"], Is.EqualTo(2500));
        Assert.That(rejected.Headers["Access-Control-Allow-Origin"], Is.EqualTo("*"));
        Assert.That((await bob.SyncAsync()).Events, Is.Empty);

        limiter.Rejects = false;
        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task R13_a_limiter_that_does_not_tell_when_to_come_back_still_gets_a_Retry_After()
    {
        using var limiter = new Limiter { Rejects = true };
        await using var server = await StartAsync(limiter, app => app.MapSendToDevice().RequireRateLimiting(Policy));

        var rejected = await server.Login("@alice:hs1", "A1").SendAsync("t1", "@bob:hs1", "B1");

        rejected.ShouldBe(429, "M_LIMIT_EXCEEDED");
        Assert.That(rejected.Headers["Retry-After"], Is.EqualTo("1"));
        Assert.That((int?)rejected.Json["retry_after_ms"], Is.EqualTo(1000));
    }

    [Test]
    public async Task R6_D14_OPTIONS_and_wrong_methods_are_not_limited()
    {
        using var limiter = new Limiter { Rejects = true };
        await using var server = await StartAsync(limiter, app => app.MapSendToDevice().RequireRateLimiting(Policy), everywhere: true);
        var alice = server.Login("@alice:hs1", "A1");
        const string Path = "/_matrix/client/v3/sendToDevice/m.test/t1";

        (await alice.SendAsync(HttpMethod.Options, Path)).ShouldBeAccepted();
        (await alice.SendAsync(HttpMethod.Get, Path)).ShouldBe(405, "M_UNRECOGNIZED");
        (await alice.SendAsync(HttpMethod.Put, Path + "/more")).ShouldBe(404, "M_UNRECOGNIZED");
    }

    [Test]
    public async Task D14_a_limiter_of_the_whole_host_gives_the_endpoint_its_Matrix_answer_too()
    {
        using var limiter = new Limiter { Rejects = true };
        await using var server = await StartAsync(limiter, app => app.MapSendToDevice(), everywhere: true);

        (await server.Login("@alice:hs1", "A1").SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(429, "M_LIMIT_EXCEEDED");
    }

    [TestCase(true, "the host's own")]
    [TestCase(false, "")]
    public async Task D14_other_endpoints_keep_the_hosts_rejection(bool hasOwn, string body)
    {
        using var limiter = new Limiter { Rejects = true };
        await using var server = await StartAsync(limiter, app => app.MapSendToDevice(), everywhere: true, hasOwn);

        using var response = await server.Http.GetAsync(new Uri(HostsPath, UriKind.Relative));

        Assert.That((int)response.StatusCode, Is.EqualTo(418));
        Assert.That(await response.Content.ReadAsStringAsync(), Is.EqualTo(body));
    }

    private static Task<TestHomeserver> StartAsync(
        Limiter limiter, Action<WebApplication> map, bool everywhere = false, bool hasOwnRejection = true) => TestHomeserver.StartAsync(
        builder => builder.Services.AddRateLimiter(options =>
        {
            options.RejectionStatusCode = 418;
            options.AddPolicy(Policy, _ => RateLimitPartition.Get("all", _ => limiter));
            if (everywhere) options.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, string>(_ => RateLimitPartition.Get("all", _ => limiter));
            if (hasOwnRejection) options.OnRejected = (context, token) => new(context.HttpContext.Response.WriteAsync("the host's own", token));
        }),
        app =>
        {
            app.UseRouting();
            app.UseRateLimiter();
            map(app);
            // The tests' own sync is not limited.
            app.MapToDeviceSync().DisableRateLimiting();
            app.MapGet(HostsPath, () => "hello");
        });

    /// <summary>Rejects when a test says so.</summary>
    private sealed class Limiter : RateLimiter
    {
        public bool Rejects { get; set; }
        public TimeSpan? RetryAfter { get; init; }

        public override TimeSpan? IdleDuration => null;
        public override RateLimiterStatistics? GetStatistics() => null;
        protected override RateLimitLease AttemptAcquireCore(int permitCount) => new Lease(!Rejects, RetryAfter);
        protected override ValueTask<RateLimitLease> AcquireAsyncCore(int permitCount, CancellationToken cancellationToken) =>
            ValueTask.FromResult(AttemptAcquireCore(permitCount));
    }

    private sealed class Lease(bool acquired, TimeSpan? retryAfter) : RateLimitLease
    {
        public override bool IsAcquired => acquired;
        public override IEnumerable<string> MetadataNames => retryAfter is null ? [] : [MetadataName.RetryAfter.Name];

        public override bool TryGetMetadata(string metadataName, out object? metadata)
        {
            metadata = metadataName == MetadataName.RetryAfter.Name ? retryAfter : null;
            return metadata is not null;
        }
    }
}
