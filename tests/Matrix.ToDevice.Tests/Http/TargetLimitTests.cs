using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>One send names a bounded number of users and devices (D21).</summary>
public class TargetLimitTests : HttpTests
{
    private const int MaxUsers = 3;
    private const int MaxDevices = 5;
    private const int MaxBodyBytes = 10_000;

    private protected override void Configure(ISendToDeviceBuilder builder) => builder.Services.Configure<SendToDeviceOptions>(options =>
    {
        options.MaxUsers = MaxUsers;
        options.MaxDevices = MaxDevices;
        options.MaxBodyBytes = MaxBodyBytes;
    });

    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@u1:hs1":{},"@u2:hs1":{}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{},"B2":{},"B3":{},"B4":{},"B5":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{},"*":{}},"@u1:hs1":{"*":{},"A":{}},"@u2:hs1":{"*":{}}}}""")]
    public async Task D21_as_many_as_the_limits_are_accepted(string body)
    {
        (await Alice.PutAsync("m.test", "t1", body)).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@u1:hs1":{},"@u2:hs1":{},"@u3:hs1":{}}}""", "3 users")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@u1:hs1":{},"@u2:hs1":{},"not one":{}}}""", "3 users")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{},"B2":{},"B3":{},"B4":{},"B5":{},"B6":{}}}}""", "5 devices")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{},"*":{}},"@u1:hs1":{"*":{},"A":{}},"@u2:hs1":{"*":{},"B":{}}}}""", "5 devices")]
    public async Task D21_more_are_M_BAD_JSON_and_nobody_gets_anything(string body, string limit)
    {
        var refused = await Alice.PutAsync("m.test", "t1", body);

        refused.ShouldBe(400, "M_BAD_JSON");
        Assert.That((string?)refused.Json["error"], Does.Contain(limit));
        Assert.That(await CountBobsMailAsync(), Is.Zero);
        (await Alice.PutAsync("m.test", "t1", ToBob())).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1), "a refused request has recorded nothing");
    }

    [Test]
    public async Task D21_all_devices_that_a_star_stands_for_are_counted()
    {
        for (var device = 2; device <= MaxDevices; device++) Server.Login("@bob:hs1", $"B{device}");
        (await Alice.PutAsync("m.test", "t1", """{"messages":{"@bob:hs1":{"*":{}}}}""")).ShouldBeAccepted();

        Server.Login("@bob:hs1", "B6");
        (await Alice.PutAsync("m.test", "t2", """{"messages":{"@bob:hs1":{"*":{}}}}""")).ShouldBe(400, "M_BAD_JSON");
        Assert.That(await ReceiveAsync("m1", """{"@bob:hs1":{"*":{}}}"""), Is.EqualTo(ReceivedEdu.Malformed));
        Assert.That(await ReceiveAsync("m2", """{"@bob:hs1":{"B1":{}}}"""), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(2));
    }

    [Test]
    public async Task D21_what_a_star_multiplies_is_no_more_than_a_body_may_have()
    {
        for (var device = 2; device <= 4; device++) Server.Login("@bob:hs1", $"B{device}");
        (await Alice.PutAsync("m.test", "t1", Star(MaxBodyBytes / 4))).ShouldBeAccepted();
        (await Alice.PutAsync("m.test", "t2", Star((MaxBodyBytes / 4) + 1))).ShouldBe(413, "M_TOO_LARGE");

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));

        static string Star(int bytes) =>
            """{"messages":{"@bob:hs1":{"*":""" + $$"""{"k":"{{new string('x', bytes - """{"k":""}""".Length)}}"}""" + "}}}";
    }

    [Test]
    public async Task R4_a_body_that_names_too_many_and_breaks_off_is_M_NOT_JSON()
    {
        var users = string.Join(",", Enumerable.Range(0, 10).Select(user => $"\"@u{user}:hs1\":{{}}"));

        (await Alice.PutAsync("m.test", "t1", "{\"messages\":{" + users + "}")).ShouldBe(400, "M_NOT_JSON");
    }

    [Test]
    public async Task D15_an_EDU_that_names_too_many_is_dropped_and_the_next_one_delivered()
    {
        Assert.That(await ReceiveAsync("m1", Devices(MaxDevices + 1)), Is.EqualTo(ReceivedEdu.Malformed));
        Assert.That(await ReceiveAsync("m2", Devices(MaxDevices)), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));

        static string Devices(int count) =>
            "{\"@bob:hs1\":{" + string.Join(",", Enumerable.Range(1, count).Select(device => $"\"B{device}\":{{}}")) + "}}";
    }

    private ValueTask<ReceivedEdu> ReceiveAsync(string messageId, string messages) =>
        Server.Services.GetRequiredService<FederationReceiver>().ReceiveAsync(
            "hs2",
            Encoding.UTF8.GetBytes($$"""{"sender":"@carol:hs2","type":"m.test","message_id":"{{messageId}}","messages":{{messages}} }"""),
            default);
}
