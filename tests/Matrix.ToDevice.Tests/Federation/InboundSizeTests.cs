using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>Other servers can be held to the size that MSC4514 gives an EDU (R90).</summary>
public class InboundSizeTests : ReceiverTests
{
    private const int Limit = 2048;

    private readonly CapturedLog _log = new();

    private protected override void Configure(ISendToDeviceBuilder builder)
    {
        _log.AddTo(builder, LogLevel.Warning);
        builder.Services.Configure<SendToDeviceOptions>(options => options.MaxInboundEduBytes = Limit);
    }

    [OneTimeTearDown]
    public void Dispose() => _log.Dispose();

    [TestCase("x", 1)]
    [TestCase("é", 2)]
    [TestCase("\\u0078", 1, Description = "escapes count as they are in canonical JSON")]
    public async Task R90_an_EDU_that_is_one_byte_too_large_is_dropped_and_logged(string letter, int bytes)
    {
        var room = (Limit - SizeOf(EduToBob(Content("", 0)))) / bytes;

        Assert.That(await ReceiveAsync(EduToBob(Content(letter, room + 1))), Is.EqualTo(ReceivedEdu.Malformed));
        Assert.That(await CountBobsMailAsync(), Is.Zero);
        Assert.That(_log.Entries.Last().Text, Does.Contain("hs2").And.Contain($"larger than {Limit} bytes"));

        Assert.That(await ReceiveAsync($"   {EduToBob(Content(letter, room)).Replace(":{", " :   { ", StringComparison.Ordinal)}   "), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task R90_D15_the_EDUs_beside_it_are_delivered()
    {
        var received = await ReceiveTransactionAsync(EduToBob("{}", "m1"), EduToBob(Content("x", Limit), "m2"), EduToBob("{}", "m3"));

        Assert.That(received, Is.EqualTo(new ReceivedTransaction(2, 0, 1)));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(2));
    }

    [Test]
    public async Task R90_without_the_option_an_EDU_has_any_size()
    {
        await using var server = await TestHomeserver.StartAsync();
        server.Login("@bob:hs1", "B1");
        var messages = string.Join(",", Enumerable.Range(0, 1000).Select(n => $$$"""
            "@{{{n}}}:hs1":{"D":{{{Content("x", 500)}}} }
            """));

        var receiver = server.Services.GetRequiredService<FederationReceiver>();
        Assert.That(await receiver.ReceiveAsync("hs2", Encoding.UTF8.GetBytes(Edu($"{{{messages}}}")), default), Is.EqualTo(ReceivedEdu.Delivered));
    }

    private static string Content(string letter, int count) => $$"""{"p":"{{string.Concat(Enumerable.Repeat(letter, count))}}"}""";

    private static int SizeOf(string content) => Encoding.UTF8.GetByteCount(
        $$"""{"content":{{content.Replace(" ", "", StringComparison.Ordinal)}},"edu_type":"m.direct_to_device"}""");
}
