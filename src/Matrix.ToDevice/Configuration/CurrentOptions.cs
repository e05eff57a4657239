using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace Matrix.ToDevice;

/// <summary>
/// The module's options as they are now. When the configuration changes they are read anew; if they cannot be, or are not valid, the last
/// good ones stay, and that is logged: an edit of a file does not stop a server.
/// </summary>
internal sealed class CurrentOptions : IDisposable
{
    private readonly IOptionsFactory<SendToDeviceOptions> _factory;
    private readonly QuietLogger<CurrentOptions> _logger;
    private readonly List<IDisposable> _subscriptions = [];
    private volatile SendToDeviceOptions _value;

    public CurrentOptions(
        IOptions<SendToDeviceOptions> first,
        IOptionsFactory<SendToDeviceOptions> factory,
        IEnumerable<BoundSection> sections,
        IEnumerable<IOptionsChangeTokenSource<SendToDeviceOptions>> sources,
        QuietLogger<CurrentOptions> logger)
    {
        (_value, _factory, _logger) = (first.Value, factory, logger);
        foreach (var section in sections) _subscriptions.Add(ChangeToken.OnChange(section.Section.GetReloadToken, Reload));
        // Of a host that has bound them itself.
        foreach (var source in sources) _subscriptions.Add(ChangeToken.OnChange(source.GetChangeToken, Reload));
    }

    public SendToDeviceOptions Value => _value;

    public void Dispose()
    {
        foreach (var subscription in _subscriptions) subscription.Dispose();
    }

    private void Reload()
    {
        try
        {
            _value = _factory.Create(Options.DefaultName);
            Log.OptionsReloaded(_logger);
        }
        catch (Exception exception)
        {
            // What is wrong is in its message, and contents of other settings are not.
            Log.OptionsNotReloaded(_logger, exception.Message);
        }
    }
}
