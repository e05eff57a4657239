using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace Matrix.ToDevice.Bench;

/// <summary>The picture of what a request costs: a bar for each server, as a multiple of the bare endpoint, the database's part lighter.</summary>
internal sealed class CpuChart(IReadOnlyList<string> servers)
{
    private const int Width = 900, Height = 620;

    private static readonly OxyColor[] s_colors = [OxyColors.Gray, OxyColors.SteelBlue, OxyColors.SeaGreen, OxyColors.IndianRed];

    private readonly List<(string Request, IReadOnlyList<Figures> Figures)> _groups = [];

    public void Add(string request, IReadOnlyList<Figures> figures) => _groups.Add((request, figures));

    public void Save(string file)
    {
        var model = new PlotModel
        {
            Title = "CPU of a request ÷ that of the bare endpoint",
            Background = OxyColors.White,
            // The names are measured as another font.
            PlotMargins = new OxyThickness(100, double.NaN, double.NaN, double.NaN),
        };
        // The first one at the top.
        model.Axes.Add(new CategoryAxis { Position = AxisPosition.Left, ItemsSource = _groups.Select(group => group.Request).ToList(), StartPosition = 1, EndPosition = 0 });
        model.Axes.Add(new LinearAxis { Position = AxisPosition.Bottom, Minimum = 0, MaximumPadding = 0.08, MajorGridlineStyle = LineStyle.Dot });
        model.Legends.Add(new Legend { LegendPosition = LegendPosition.RightTop, LegendPadding = 24 });
        for (var server = 0; server < servers.Count; server++)
        {
            Add(server, "", s_colors[server], figures => figures[server].CpuMicroseconds / figures[0].CpuMicroseconds);
            if (_groups.Any(group => group.Figures[server].DatabaseMicroseconds > 0))
                Add(server, ", the database", OxyColor.FromAColor(110, s_colors[server]), figures => figures[server].DatabaseMicroseconds / figures[0].CpuMicroseconds);
        }

        using var svg = File.Create(file);
        new OxyPlot.SvgExporter { Width = Width, Height = Height }.Export(model, svg);

        void Add(int server, string part, OxyColor color, Func<IReadOnlyList<Figures>, double> value)
        {
            var bars = new BarSeries
            {
                Title = servers[server] + part,
                FillColor = color,
                IsStacked = true,
                StackGroup = $"{server}",
                LabelFormatString = part.Length == 0 ? "{0:F1}" : "+{0:F1}",
                LabelPlacement = LabelPlacement.Inside,
                FontSize = 9,
            };
            foreach (var (_, figures) in _groups) bars.Items.Add(new BarItem(value(figures)));
            model.Series.Add(bars);
        }
    }
}
