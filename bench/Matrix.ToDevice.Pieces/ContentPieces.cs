using BenchmarkDotNet.Attributes;
using Matrix.ToDevice.Bench;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Pieces;

/// <summary>What is looked at in a content of 2 KB.</summary>
public class ContentPieces
{
    private static readonly byte[] s_content = Body.All[1].Content;
    private static readonly byte[] s_escaped =
        """{"body":"\"\u0041\n\ud83d\ude00","org.matrix.msgid":"0a1b2c3d","list":[1,2.5e3,null,true,{"deep":["é","€"]}]}"""u8.ToArray();

    private static readonly List<ToDeviceMessage> s_traced = Messages(s_escaped), s_untraced = Messages(s_content);

    private readonly Listening _logger = new();

    [Benchmark]
    public int CheckContent() => ContentMeasure.CanonicalLengthOf(s_content);

    [Benchmark]
    public int CheckEscapedContent() => ContentMeasure.CanonicalLengthOf(s_escaped);

    [Benchmark]
    public byte[] EncodeCanonically() => CanonicalJson.Encode(s_content);

    [Benchmark]
    public byte[] EncodeEscapedCanonically() => CanonicalJson.EncodeAsWritten(s_escaped);

    [Benchmark]
    public void TraceWithoutId() => MessageTrace.Accepted(_logger, s_untraced);

    [Benchmark]
    public void TraceWithId() => MessageTrace.Accepted(_logger, s_traced);

    private static List<ToDeviceMessage> Messages(byte[] content) =>
        [new ToDeviceMessage(new DeviceAddress("@user1:example.org", Body.DeviceId), "@sender:example.org", "m.room.encrypted", content, 1)];

    /// <summary>Takes everything, and writes it nowhere.</summary>
    private sealed class Listening : ILogger
    {
        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;
    }
}
