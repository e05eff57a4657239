using System.Diagnostics;

namespace Matrix.ToDevice;

/// <summary>A span, or none when nobody listens. What a listener throws is its own (D24).</summary>
internal readonly struct TraceSpan : IDisposable
{
    private readonly Activity? _activity;
    private readonly Activity? _outer;

    private TraceSpan(Activity activity, Activity? outer) => (_activity, _outer) = (activity, outer);

    public static TraceSpan Start(ActivitySource source, string name, ActivityKind kind, IEnumerable<ActivityLink>? links = null)
    {
        var outer = Activity.Current;
        try
        {
            return source.StartActivity(name, kind, parentContext: default, tags: null, links) is { } activity ? new TraceSpan(activity, outer) : default;
        }
        catch (Exception)
        {
            // It may have become the current one, and nobody would end it.
            Activity.Current = outer;
            return default;
        }
    }

    /// <summary>The activity, if somebody wants to know what is in it.</summary>
    public Activity? Wanted => _activity is { IsAllDataRequested: true } ? _activity : null;

    /// <summary>Says how it ended.</summary>
    public void End(string outcome, bool isError = false)
    {
        if (Wanted is not { } activity) return;
        activity.SetTag(ToDeviceTraces.Outcome, outcome);
        if (isError) activity.SetStatus(ActivityStatusCode.Error);
    }

    public void Dispose()
    {
        if (_activity is null) return;
        try
        {
            _activity.Dispose();
        }
        catch (Exception)
        {
            Activity.Current = _outer;
        }
    }
}
