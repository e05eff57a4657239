using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Moq;

namespace Matrix.ToDevice.Tests;

/// <summary>Whatever a send needs can fail for a while: 503, nothing is recorded, and the retry runs (D3).</summary>
public class StoreFailureTests : HttpTests
{
    private readonly Mock<IDeviceDirectory> _directory = new();
    private readonly Mock<IAuthResolver> _auth = new();

    private HookedStore Store => Server.Services.GetRequiredService<HookedStore>();

    private static readonly Exception[] s_failures =
    [
        new TimeoutException("the database does not answer"),
        new IOException("disk full"),
        new OperationCanceledException("a command of the store's own was cancelled"),
        new BadHttpRequestException("of a store that speaks HTTP", 400),
        new InvalidOperationException("a bug"),
    ];

    private protected override void Configure(ISendToDeviceBuilder builder)
    {
        HookedStore.Add(builder);
        var devices = new TestDevices();
        _directory.Reset();
        _directory.Setup(directory => directory.FindAsync(It.IsAny<IReadOnlyList<string>>(), It.IsAny<CancellationToken>()))
            .Returns(devices.FindAsync);
        _auth.Reset();
        _auth.Setup(auth => auth.ResolveAsync(It.IsAny<HttpContext>(), It.IsAny<CancellationToken>())).Returns(devices.ResolveAsync);
        builder.Services.Replace(ServiceDescriptor.Singleton(devices));
        builder.Services.Replace(ServiceDescriptor.Singleton(_directory.Object));
        builder.Services.Replace(ServiceDescriptor.Singleton(_auth.Object));
    }

    [Test]
    public async Task R22_D3_a_failure_at_any_step_of_the_store_is_503_and_the_retry_runs(
        [Values("begin", "append", "commit")] string step, [ValueSource(nameof(s_failures))] Exception failure)
    {
        if (step == "begin") Store.BeforeBegin = _ => throw failure;
        if (step == "append") Store.BeforeAppend = _ => throw failure;
        if (step == "commit") Store.BeforeCommit = () => throw failure;
        await UnavailableAsync();
        Assert.That(await CountBobsMailAsync(), Is.Zero);

        Store.BeforeBegin = Store.BeforeAppend = _ => Task.CompletedTask;
        Store.BeforeCommit = () => Task.CompletedTask;
        await RetryAsync();
    }

    [Test]
    public async Task D3_D4_a_failure_after_the_commit_is_503_and_the_retry_finds_it_done()
    {
        Store.AfterCommit = () => throw new IOException("the connection broke before the database's answer");
        await UnavailableAsync();

        Store.AfterCommit = () => Task.CompletedTask;
        await RetryAsync();
    }

    [TestCaseSource(nameof(s_failures))]
    public async Task D3_a_failure_of_the_directory_is_503_and_the_retry_runs(Exception failure)
    {
        var devices = Server.Devices;
        _directory.Setup(directory => directory.FindAsync(It.IsAny<IReadOnlyList<string>>(), It.IsAny<CancellationToken>())).ThrowsAsync(failure);
        await UnavailableAsync();

        _directory.Setup(directory => directory.FindAsync(It.IsAny<IReadOnlyList<string>>(), It.IsAny<CancellationToken>()))
            .Returns(devices.FindAsync);
        await RetryAsync();
    }

    [TestCaseSource(nameof(s_failures))]
    public async Task D3_a_failure_of_the_authentication_is_503_and_the_retry_runs(Exception failure)
    {
        var devices = Server.Devices;
        _auth.Setup(auth => auth.ResolveAsync(It.IsAny<HttpContext>(), It.IsAny<CancellationToken>())).ThrowsAsync(failure);
        await UnavailableAsync();

        _auth.Setup(auth => auth.ResolveAsync(It.IsAny<HttpContext>(), It.IsAny<CancellationToken>())).Returns(devices.ResolveAsync);
        await RetryAsync();
    }

    [TestCase(0)]
    [TestCase(2)]
    public async Task D3_a_directory_that_answers_for_the_wrong_number_of_users_is_503(int answers)
    {
        _directory.Setup(directory => directory.FindAsync(It.IsAny<IReadOnlyList<string>>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync([.. Enumerable.Repeat(UserDevices.Local(["B1"]), answers)]);

        await UnavailableAsync();
    }

    [Test]
    public async Task D3_the_directory_is_asked_once_about_each_user_that_could_be_one()
    {
        (await Alice.PutAsync(
            "m.test", "t1", """{"messages":{"@bob:hs1":{"B1":{},"B2":{}},"nobody":{"X":{}},"@c:hs2":{"*":{}}}}""")).ShouldBeAccepted();

        _directory.Verify(directory => directory.FindAsync(new[] { "@bob:hs1", "@c:hs2" }, It.IsAny<CancellationToken>()), Times.Once);
        _directory.VerifyNoOtherCalls();
    }

    [Test]
    public async Task R22_the_answer_waits_for_the_commit()
    {
        var committing = new TaskCompletionSource();
        var commit = new TaskCompletionSource();
        Store.BeforeCommit = () =>
        {
            committing.SetResult();
            return commit.Task;
        };

        var response = Alice.PutAsync("m.test", "t1", ToBob());
        await committing.Task;
        Assert.That(response.IsCompleted, Is.False);
        commit.SetResult();

        (await response).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task D3_a_host_sets_its_own_Retry_After()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            HookedStore.Add(builder);
            builder.Services.Configure<SendToDeviceOptions>(options => options.RetryAfter = TimeSpan.FromSeconds(29.5));
        });
        server.Services.GetRequiredService<HookedStore>().BeforeCommit = () => throw new IOException();

        var response = await server.Login("@alice:hs1", "A1").PutAsync("m.test", "t1", ToBob());

        response.ShouldBe(503, "M_UNKNOWN");
        Assert.That(response.Headers["Retry-After"], Is.EqualTo("30"));
    }

    private async Task UnavailableAsync()
    {
        var response = await Alice.PutAsync("m.test", "t1", ToBob());
        response.ShouldBe(503, "M_UNKNOWN");
        Assert.That(response.Headers["Retry-After"], Is.EqualTo("2"));
        Assert.That(response.Json, Has.Count.EqualTo(2), "nothing of what went wrong is told");
    }

    private async Task RetryAsync()
    {
        (await Alice.PutAsync("m.test", "t1", ToBob())).ShouldBeAccepted();
        (await Alice.PutAsync("m.test", "t1", ToBob())).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }
}
